import type { ISerializer } from '@opentelemetry/otlp-transformer';

/** What OTLP answers; the number stands under a name of its own for each signal. */
interface ExportResponse {
  readonly partialSuccess?: {
    readonly rejectedLogRecords?: unknown;
    readonly rejectedDataPoints?: unknown;
  };
}

/**
 * A serializer that remembers how many records the collector refused. OTLP answers 200 to a request of which it refused a part (partial
 * success); the SDK only logs that and calls the export a success. It reads the answer and reports the result in one go, so that
 * the number belongs to the export that is being reported.
 */
export class RejectedRecords<Request, Response extends object> implements ISerializer<Request, Response> {
  readonly #serializer: ISerializer<Request, Response>;
  #rejected = 0;

  constructor(serializer: ISerializer<Request, Response>) {
    this.#serializer = serializer;
  }

  serializeRequest(request: Request): Uint8Array | undefined {
    return this.#serializer.serializeRequest(request);
  }

  deserializeResponse(data: Uint8Array): Response {
    this.#rejected = 0;
    const response = this.#serializer.deserializeResponse(data);
    // JSON may carry the int64 as a string, or hold no object at all.
    const partial = (response as ExportResponse | null)?.partialSuccess;
    const rejected = Number(partial?.rejectedLogRecords ?? partial?.rejectedDataPoints ?? 0);
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
