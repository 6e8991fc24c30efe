import { join } from 'node:path';
import protobuf from 'protobufjs';

/** A message of the official OpenTelemetry definitions, which tools.sh installs and OTLP_PROTO_DIR names. */
export function officialMessage(file: string, message: string): protobuf.Type {
  const directory = process.env['OTLP_PROTO_DIR'] ?? '/usr/include';
  const root = new protobuf.Root();
  root.resolvePath = (_from, path) => join(directory, path);
  root.loadSync(`opentelemetry/proto/${file}`, { keepCase: false });
  return root.lookupType(`opentelemetry.proto.${message}`);
}
