import type { IExportLogsServiceResponse, ISerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';

/** The SDK's name for the serializer of one encoding. */
export type LogsSerializer = ISerializer<ReadableLogRecord[], IExportLogsServiceResponse>;

/**
 * A serializer that remembers how many records the collector refused. OTLP answers 200 to a request of which it refused a part (partial
 * success); the SDK only logs that and calls the export a success. It reads the answer and reports the result in one go, so that
 * the number belongs to the export that is being reported.
 */
export class RejectedRecords implements LogsSerializer {
  readonly #serializer: LogsSerializer;
  #rejected = 0;

  constructor(serializer: LogsSerializer) {
    this.#serializer = serializer;
  }

  serializeRequest(records: ReadableLogRecord[]): Uint8Array | undefined {
    return this.#serializer.serializeRequest(records);
  }

  deserializeResponse(data: Uint8Array): IExportLogsServiceResponse {
    this.#rejected = 0;
    const response = this.#serializer.deserializeResponse(data);
    // JSON may carry the int64 as a string, or hold no object at all.
    const rejected = Number((response as IExportLogsServiceResponse | null)?.partialSuccess?.rejectedLogRecords ?? 0);
    this.#rejected = Number.isFinite(rejected) && rejected > 0 ? Math.trunc(rejected) : 0;
    return response;
  }

  /** Records refused in the last answer, forgotten once asked. */
  take(): number {
    const rejected = this.#rejected;
    this.#rejected = 0;
    return rejected;
  }
}
