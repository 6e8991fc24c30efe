import { codedError, type CodedError, type ErrorCode } from '../errors.js';

type ProblemCode = Extract<
  ErrorCode,
  'XEE_UNKNOWN_FLAG' | 'XEE_CONFIG_INVALID' | 'XEE_CONFIG_FILE_UNREADABLE' | 'XEE_CONFIG_FILE_INVALID'
>;

/** One thing wrong with what the user gave. Problems are collected, so that all are told at once. */
export interface Problem {
  readonly code: ProblemCode;
  readonly text: string;
}

/** One error for all problems. Its code is theirs, or XEE_CONFIG_INVALID when they differ. */
export function problemsError(problems: readonly Problem[], command: string): CodedError {
  const codes = new Set(problems.map((problem) => problem.code));
  const [only] = codes;
  const code = codes.size === 1 && only !== undefined ? only : 'XEE_CONFIG_INVALID';
  const texts = problems.map((problem) => problem.text);
  const text =
    texts.length === 1 ? texts.join('') : `${texts.length} problems:\n${texts.map((line) => `  ${line}`).join('\n')}`;
  return codedError(code, { problems: text, command });
}

/** User input for an error text: on one line, short, with control characters escaped and URL credentials masked. */
export function quote(text: string): string {
  const masked = text.replace(/\/\/[^/@\s]*@/g, '//***@');
  return JSON.stringify(masked.length > 60 ? `${masked.slice(0, 57)}...` : masked);
}
