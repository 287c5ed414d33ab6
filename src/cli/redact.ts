/**
 * Everything between `://` and the last @ of a word: also of URLs that no parser takes, where a password holds "/" or several hosts follow. Not that of an error
 * that shows how such a URL is written.
 */
const USERINFO = /([a-z][a-z0-9+.-]*:\/\/)(?!\[[A-Z[\]:]+@\])\S*@/gi;
/** ZooKeeper's `auth=sasl` and `auth=digest` hide nothing, and its messages say the words. */
const PARAMETER =
  /([?&;](?!auth=(?:sasl|digest)[).,]*(?:[&;#\s"']|$))[^=&;\s]*(?:pass|pwd|secret|token|key|auth|credential|sig)[^=&;\s]*=)[^&;#\s"']+/gi;
const SHORTEST_SECRET = 4;
/** A password such as "wrong". Anything with a digit or a sign in it is in no sentence of ours. */
const ORDINARY_WORD = /^[a-z]+$/i;
const BEFORE_A_WORD = /(?:^|[\s(])$/;
const BEHIND_A_WORD = /^[.,;:!?)]*(?:\s|$)/;

/** `others`: what servers and libraries said, where all the rest of the text is in fixed words of ours. */
export type Redact = (text: string, others?: readonly string[]) => string;

function redactText(text: string): string {
  return text.replace(USERINFO, "$1***:***@").replace(PARAMETER, "$1***");
}

/**
 * Makes the function through which every message goes: it masks user names, passwords and password-like parameters of any URL, and the
 * secrets of `urls` also where an error repeats them on their own. Of fixed words one that happens to be a password stays: a mask there would tell which it is.
 */
export function redactorFor(...urls: readonly (string | undefined)[]): Redact {
  const given = urls.flatMap((url) => (url === undefined || url === "" ? [] : [url]));
  const secrets = given.flatMap(secretsOf);
  return (text, others) => {
    let shown = text;
    for (const url of given) shown = shown.replaceAll(url, () => redactText(url));
    for (const secret of secrets) shown = masked(shown, secret, others);
    return redactText(shown);
  };
}

function masked(text: string, secret: string, others: readonly string[] | undefined): string {
  const mayBeOurs = ORDINARY_WORD.test(secret) && others?.every((other) => !other.includes(secret)) === true;
  if (!mayBeOurs) return text.replaceAll(secret, "***");
  return text.replaceAll(secret, (_, at: number) => (isPlainWord(text, at, secret.length) ? secret : "***"));
}

/** It stands by itself and in no quotes, in which names and values of users are shown. */
function isPlainWord(text: string, at: number, length: number): boolean {
  const before = text.slice(0, at);
  const isQuoted = before.split('"').length % 2 === 0;
  return !isQuoted && BEFORE_A_WORD.test(before) && BEHIND_A_WORD.test(text.slice(at + length));
}

/** A user name alone is none. */
export function holdsSecret(url: string): boolean {
  return secretsIn(url).length > 0;
}

/** As written and percent-decoded, longest first. Very short ones would mask half of every sentence. */
function secretsOf(url: string): readonly string[] {
  const all = new Set(secretsIn(url).flatMap((secret) => [secret, decoded(secret)]));
  return [...all].filter((secret) => secret.length >= SHORTEST_SECRET).toSorted((a, b) => b.length - a.length);
}

function secretsIn(url: string): readonly string[] {
  const found: string[] = [];
  const userinfo = /:\/\/(.*)@/s.exec(url)?.[1] ?? "";
  // A name without a password is no secret, and often a word of other sentences (postgres).
  if (userinfo.includes(":")) found.push(userinfo, userinfo.slice(userinfo.indexOf(":") + 1));
  for (const [whole, start = ""] of url.matchAll(PARAMETER)) found.push(whole.slice(start.length));
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
