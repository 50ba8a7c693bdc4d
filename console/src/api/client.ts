// One way to call the server: with the key, in JSON, and with errors that say what happened and what to do.
import { session } from '../state/session.svelte';

export class ApiError extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly said: string,
    readonly call: string,
  ) {
    super(said || `${call}: ${status}`);
  }
}

export async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  return parsed(await call('GET', path, undefined, signal), path) as Promise<T>;
}

export async function write<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  return parsed(await call('POST', path, body, undefined, headers), path) as Promise<T>;
}

/** The bytes of an answer in another form, such as Arrow or CSV. */
export async function download(path: string, accept: string): Promise<Blob> {
  return (await call('GET', path, undefined, undefined, { accept })).blob();
}

/** The header by which the other person, where two must agree, shows a key; none without one. */
export function secondKey(shown: string): Record<string, string> {
  return shown.trim() ? { 'x-stillwatch-second-key': shown.trim() } : {};
}

export async function call(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  headers: Record<string, string> = {},
): Promise<Response> {
  const asked: RequestInit = {
    method,
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
    headers: {
      accept: 'application/json',
      'x-stillwatch-key': session.key,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  };
  if (body !== undefined) asked.body = JSON.stringify(body);
  if (signal) asked.signal = signal;
  let answer: Response;
  try {
    answer = await fetch(path, asked);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, '', `${method} ${path}`);
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && session.who) session.end('session.refused');
  throw new ApiError(answer.status, await reason(answer), `${method} ${path}`);
}

async function reason(answer: Response): Promise<string> {
  try {
    const said = (await answer.json()) as { error?: unknown };
    return typeof said.error === 'string' ? said.error : '';
  } catch {
    return '';
  }
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

/** The JSON of an answer. Integers that a double cannot hold stay as the text they came as: a token must not change its last digits. */
export async function parsed(answer: Response, path: string): Promise<unknown> {
  const text = await answer.text();
  const exact: Reviver = (_key, value, context) =>
    typeof value === 'number' && context?.source && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source)
      ? context.source
      : value;
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, exact as (key: string, value: unknown) => unknown) : JSON.parse(text);
  } catch {
    throw new ApiError(0, '', `GET ${path}`);
  }
}
