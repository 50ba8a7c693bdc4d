// Sends model calls by OpenTelemetry's exporter for JavaScript, which speaks OTLP/JSON: send.mjs URL KEY COMPRESSION N
// One more span begins at 1970, which a receiver cannot place. Prints what the SDK reported, one line each.
import { SpanKind, diag, DiagLogLevel } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import sdk from "@opentelemetry/sdk-trace";

const [url, key, compression, n] = process.argv.slice(2);
const say = (...words) => console.log(words.map((word) => (typeof word === "string" ? word : JSON.stringify(word))).join(" "));
const quiet = () => {};
diag.setLogger({ error: say, warn: say, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN);

const exporter = new OTLPTraceExporter({ url, compression, headers: { "x-stillwatch-key": key } });
const provider = new sdk.TracerProvider({ spanProcessors: [new sdk.BatchSpanProcessor({ exporter })] });
const tracer = provider.getTracer("tests");
for (let number = 0; number < Number(n); number++) {
  const span = tracer.startSpan("chat m-1", { kind: SpanKind.CLIENT });
  span.setAttributes({
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m-1",
    "gen_ai.usage.input_tokens": 31,
    "gen_ai.input.messages": JSON.stringify([{ role: "user", parts: [{ type: "text", content: `sort list ${number} – ü` }] }]),
    "user.id": `js-${number}`,
  });
  span.end();
}
tracer.startSpan("chat m-1", { startTime: [0, 0] }).end([0, 1]);
await provider.forceFlush();
await provider.shutdown();
