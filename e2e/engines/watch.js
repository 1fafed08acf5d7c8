// In the lab, before anything of it: its errors are those of the page around it.
{
  const fail = (text) => parent.errors.push(text);
  const { error } = console;
  console.error = (...words) => {
    fail(words.join(' '));
    error(...words);
  };
  // Also what could not be loaded: such an event does not bubble.
  addEventListener(
    'error',
    (event) => fail(event.message ?? `${event.target.src ?? event.target.href} did not load`),
    true,
  );
  addEventListener('unhandledrejection', ({ reason }) => fail(`${reason}`));
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    fail(`${blockedURI} is against ${violatedDirective}`),
  );
}
