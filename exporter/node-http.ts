/**
 * What the program uses of `node:http`. Not imported: an import reads every export of the module, and since Node 22 reading `WebSocket`
 * loads undici, which nothing here needs and which is 6 MiB and a tenth of the start.
 */
export const { createServer, get, request, STATUS_CODES } = process.getBuiltinModule('node:http');
