import assert from 'node:assert/strict';
import { it } from 'node:test';
import { networkOf } from '../../exporter/peer-network.js';

it('takes an IPv4 address and the /64 of an IPv6 address for one peer', () => {
  const table: readonly [address: string | undefined, network: string][] = [
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::1', '0:0:0:0'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:0db8:0000:0001:2:3:4:5', '2001:db8:0:1'],
    ['2001:db8:0:1::', '2001:db8:0:1'],
    ['1::2:3:4:5:6:7', '1:0:2:3'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    [undefined, ''],
  ];
  for (const [address, network] of table) assert.equal(networkOf(address), network, address);
});
