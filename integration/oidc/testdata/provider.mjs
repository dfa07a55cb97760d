// A provider of OpenID Connect for a test, on a port of this machine.
//
//   node provider.mjs FOLDER-OF-PACKAGES PORT REDIRECT-URI
//
// It writes its issuer on a line of its own once it listens, and ends with its standard input, so that it does not outlive
// who started it.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [packages, port, redirect] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${packages}/oidc-provider/lib/index.js`));

const people = {
  marie: { email: 'Marie@lycee.test', email_verified: true, name: 'Marie Curie', groups: ['teachers'] },
  mallory: { email: 'marie@lycee.test', email_verified: false, name: 'Mallory', groups: [] },
  jean: { email: 'jean@lycee.test', email_verified: true, name: 'Jean <script>', groups: ['teachers', 'it-department'] },
  stranger: { email: 'stranger@lycee.test', email_verified: true, name: 'Stranger', groups: ['pupils'] },
};

const server = createServer();
await new Promise((done) => { server.listen(Number(port), '127.0.0.1', done); });
const issuer = `http://127.0.0.1:${server.address().port}`;

const client = (id) => ({
  client_id: id, client_secret: `secret of ${id}`, redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'],
});
const provider = new Provider(issuer, {
  clients: [client('ardoise'), client('library')],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'], groups: ['groups'] },
  scopes: ['openid', 'email', 'profile', 'groups'],
  pkce: { required: () => true },
  cookies: { keys: ['a key of a test'] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: `key ${Date.now()}` }] },
  findAccount: (ctx, id) => people[id] && { accountId: id, claims: () => ({ sub: id, preferred_username: id, ...people[id] }) },
});
server.on('request', provider.callback());
process.stdin.resume().on('end', () => process.exit(0));
console.log(issuer);
