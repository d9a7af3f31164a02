/** SHA-256 over the bytes of all parts, one after the other. */
export async function sha256(parts: readonly ArrayBufferView[]): Promise<Uint8Array> {
  const joined = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    joined.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', joined));
}

/** Bytes as hexadecimal digits, two each. */
export const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** What `hex` was given. */
export const unhex = (digits: string) =>
  Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
