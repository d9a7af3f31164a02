import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { DataError } from '../core/errors';

const notPublic = new BlockList();
// IANA's special-purpose registries: https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-
for (const [address, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  notPublic.addSubnet(address, prefix, 'ipv4');

/** Only 2000::/3 is handed out for public use; what of it is not, or leads back into IPv4, is listed. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
for (const [address, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  notPublic.addSubnet(address, prefix, 'ipv6');

/** Whether an IP address is one of the public internet: not of this machine, its network, or a special purpose. */
export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  const plain = mapped ?? address;
  if (isIP(plain) === 4) return !notPublic.check(plain, 'ipv4');
  return isIP(plain) === 6 && globalUnicast.check(plain, 'ipv6') && !notPublic.check(plain, 'ipv6');
}

/**
 * Looks names up as Node does, but gives only public addresses. Used for the connection itself, so that no second answer of a
 * name server can slip in between the check and the use.
 */
export const publicLookup: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const wrong = addresses.find(({ address }) => !isPublicAddress(address));
    if (wrong || !addresses[0]) return callback(new PrivateAddress(host, wrong?.address ?? 'no address'), '', 0);
    if (options.all) return callback(null, addresses);
    return callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};

/** An address of the web that leads into a private network. */
export class PrivateAddress extends DataError {
  constructor(host: string, address: string) {
    super(`${host} is ${address}, which is no public address. Allow it with allowPrivate if it is meant.`);
  }
}
