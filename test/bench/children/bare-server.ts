/** The least that a server of metrics with the exporter's libraries is: Fastify, prom-client, and series of which nothing moves. */
import Fastify from 'fastify';
import { Gauge, register } from 'prom-client';

const [port = 0, series = 0] = process.argv.slice(2).map(Number);
const gauge = new Gauge({ name: 'series', help: 'One of many.', labelNames: ['number'] });
for (let number = 0; number < series; number++) gauge.set({ number }, number);
const app = Fastify();
app.get('/metrics', async (_request, reply) => reply.type(register.contentType).send(await register.metrics()));
await app.listen({ host: '127.0.0.1', port });
