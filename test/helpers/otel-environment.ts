/** Runs `work` with these OTEL_* variables in the environment of this process and no other: the SDK reads them there. */
export async function withOtelVariables<T>(
  env: Readonly<Record<string, string>>,
  work: () => T | Promise<T>,
): Promise<T> {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, env);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
  }
}
