/** Each cuts what a client sends into messages, and tells those that ask for an answer. */
export const requestCounter = {
  redis: (told) => frames(respEnd, told),

  postgres: (told) => {
    let isStarted = false;
    const end = (bytes) => {
      if (bytes.length < 5) return 0;
      const length = isStarted ? 1 + bytes.readInt32BE(1) : bytes.readInt32BE(0);
      return bytes.length >= length ? length : 0;
    };
    return frames(end, (message) => {
      const type = String.fromCharCode(message[0]);
      if (isStarted && (type === "Q" || type === "S")) told();
      // A request for TLS comes before the start-up message.
      if (!isStarted && message.readInt32BE(4) === 196_608) isStarted = true;
    });
  },

  etcd: http2Requests,

  consul: (told) => frames(httpEnd, told),

  /** The greeting too, which the leader of the servers answers: our heartbeat attaches its session anew, and that is no less a request than what follows. */
  zookeeper: (told) => frames((bytes) => wholeFrame(bytes, 4, (head) => head.readInt32BE(0)), told),
};

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const DATA = 0;
const HEADERS = 1;

/**
 * A stream is a request, with the first message on it; each further message on one that stays open (a watch more or less) is another one. Of a message that
 * needs several frames, which no idle node sends, each would count.
 */
function http2Requests(told) {
  let isGreeted = false;
  const messages = new Map();
  const end = (bytes) => {
    if (!isGreeted) return bytes.length >= PREFACE.length ? PREFACE.length : 0;
    return wholeFrame(bytes, 9, (head) => head.readUIntBE(0, 3));
  };
  return frames(end, (frame) => {
    if (!isGreeted) {
      isGreeted = true;
      return;
    }
    const [type, stream] = [frame[3], frame.readUInt32BE(5)];
    if (type === HEADERS && !messages.has(stream)) {
      messages.set(stream, 0);
      told();
    }
    // The end of a stream may be a frame with nothing in it.
    if (type !== DATA || frame.length === 9) return;
    const before = messages.get(stream) ?? 0;
    messages.set(stream, before + 1);
    if (before > 0) told();
  });
}

function frames(endOf, told) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = endOf(rest); end > 0; end = endOf(rest)) {
      told(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

/** The end of a frame whose head tells the length of what follows it; 0 when it is not whole. */
function wholeFrame(bytes, headBytes, lengthIn) {
  if (bytes.length < headBytes) return 0;
  const end = headBytes + lengthIn(bytes);
  return bytes.length >= end ? end : 0;
}

/** The end of one request of HTTP/1.1 with a length or without a body; 0 when it is not whole. */
function httpEnd(bytes) {
  const blank = bytes.indexOf("\r\n\r\n");
  if (blank === -1) return 0;
  const head = bytes.toString("latin1", 0, blank + 2);
  if (/^transfer-encoding:/im.test(head)) throw new Error("a request in chunks, which the meter cannot count");
  const end = blank + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return bytes.length >= end ? end : 0;
}

/** The end of one command in RESP; 0 when it is not whole. */
function respEnd(bytes) {
  const number = (from) => {
    const to = bytes.indexOf("\r\n", from);
    return to === -1 ? undefined : [Number(bytes.toString("latin1", from + 1, to)), to + 2];
  };
  const head = bytes.length === 0 ? undefined : number(0);
  if (head === undefined) return 0;
  let [left, at] = head;
  for (; left > 0; left -= 1) {
    const size = number(at);
    if (size === undefined) return 0;
    at = size[1] + size[0] + 2;
    if (at > bytes.length) return 0;
  }
  return at;
}
