/**
 * Runs a generator to its end and returns what it returns, which `for await` throws away: the samples of a sampler, the
 * state of a training run. Every value that it yields is shown to `each`.
 */
export async function finish<Value, Result>(
  generator: AsyncGenerator<Value, Result>,
  each: (value: Value) => unknown = () => {},
): Promise<Result> {
  let next = await generator.next();
  for (; !next.done; next = await generator.next()) await each(next.value);
  return next.value;
}
