// In the lab, before anything of it: its errors are those of the page around it.
{
  const fail = (text) => parent.errors.push(text);
  const { error } = console;
  console.error = (...words) => {
    fail(words.join(' '));
    error(...words);
  };
  // Also what could not be loaded: such an event does not bubble.
  const failed = ({ message, target }) => {
    // Only says that a plot was measured once more in the next frame.
    if (message?.startsWith('ResizeObserver loop')) return;
    fail(message ?? `${target.src ?? target.href} did not load`);
  };
  addEventListener('error', failed, true);
  addEventListener('unhandledrejection', ({ reason }) => fail(`${reason}`));
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    fail(`${blockedURI} is against ${violatedDirective}`),
  );
}
