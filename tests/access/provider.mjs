// A real OpenID Connect provider (npm oidc-provider) for one test run, whose answers can be tampered
// with: POST /tamper {"mode": "..."} changes the ID token of the next logins. Prints one JSON line
// when it listens. Arguments: folder with node_modules, redirect URI, and where it tells claims
// (`id_token` or `userinfo`).
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Nobody reads standard output after the first line.
console.log = console.info = console.warn = console.error;
const [folder, redirect, claimsIn] = process.argv.slice(2);
const from = createRequire(`${folder}/package.json`);
const load = (name) => import(pathToFileURL(from.resolve(name)));
const { default: Provider } = await load('oidc-provider');
const jose = await load('jose');

const PEOPLE = {
  asha: { preferred_username: 'asha', name: 'Asha Rao', email: 'asha@bank.example', groups: ['vaani-admins', 'staff'] },
  bina: { preferred_username: 'bina', name: 'Bina Das', email: 'bina@bank.example', groups: ['floor'], org: 'Bank of Asha' },
  chitra: { preferred_username: 'chitra', name: 'Chitra', email: 'chitra@bank.example', groups: ['canteen'] },
  local: { preferred_username: 'local', name: 'Local', email: 'local@bank.example', groups: ['floor'] },
};
const SECRET = 'the-client-secret-of-the-test-0123456789abcdef';

const makeKey = async (kid) => {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { ...(await jose.exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
};
const first = await makeKey('first');
let current = first;
let mode = 'none';

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'vaani',
    client_secret: SECRET,
    redirect_uris: [redirect],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  jwks: { keys: [first] },
  cookies: { keys: ['test'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups', 'org'], email: ['email'] },
  // Else the claims of scopes are told at /me only.
  conformIdTokenClaims: claimsIn !== 'id_token',
  interactions: { url: (_, interaction) => `/people/${interaction.uid}` },
  findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
});
provider.on('server_error', (_, error) => console.error(error));

// Whoever `login_hint` names comes in without a page.
const person = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  const { prompt, params, session } = details;
  if (prompt.name === 'login') {
    const accountId = params.login_hint ?? 'asha';
    if (accountId === 'nobody') {
      return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'no' });
    }
    return provider.interactionFinished(request, response, { login: { accountId } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
};

const b64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// The same token with something wrong, signed by whoever the mode says.
const tampered = async (token) => {
  const claims = jose.decodeJwt(token);
  const now = Math.floor(Date.now() / 1000);
  let header = { alg: 'RS256', kid: current.kid, typ: 'JWT' };
  let key = await jose.importJWK(current, 'RS256');
  switch (mode) {
    case 'none': case 'rotated': case 'other_info': break;
    case 'nonce': claims.nonce = 'another'; break;
    case 'no_nonce': delete claims.nonce; break;
    case 'issuer': claims.iss = 'https://evil.example'; break;
    case 'audience': claims.aud = 'another-client'; break;
    case 'two_audiences': claims.aud = ['vaani', 'another-client']; break;
    case 'expired': claims.iat = now - 7200; claims.exp = now - 3600; break;
    case 'no_end': delete claims.exp; break;
    case 'old': claims.iat = now - 7200; claims.exp = now + 3600; break;
    case 'future': claims.iat = now + 7200; claims.exp = now + 9000; break;
    case 'subject': delete claims.sub; break;
    case 'at_hash': claims.at_hash = 'AAAAAAAAAAAAAAAAAAAAAA'; break;
    case 'other_key': key = await jose.importJWK(await makeKey(current.kid), 'RS256'); break;
    case 'unknown_key': header.kid = 'unknown'; key = await jose.importJWK(await makeKey('unknown'), 'RS256'); break;
    case 'hmac_secret': header = { alg: 'HS256', typ: 'JWT' }; key = new TextEncoder().encode(SECRET); break;
    case 'hmac_public': {
      const pem = await jose.exportSPKI(await jose.importJWK({ kty: 'RSA', n: current.n, e: current.e }, 'RS256'));
      header = { alg: 'HS256', kid: current.kid, typ: 'JWT' };
      key = new TextEncoder().encode(pem);
      break;
    }
    case 'unsigned': return `${b64({ alg: 'none', typ: 'JWT' })}.${b64(claims)}.`;
    case 'flipped': {
      const parts = token.split('.');
      return `${parts[0]}.${b64({ ...claims, groups: ['vaani-admins'] })}.${parts[2]}`;
    }
    default: throw new Error(`no such mode: ${mode}`);
  }
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(key);
};

const answerOf = (response) => new Promise((done) => {
  const { end } = response;
  response.end = (body) => done({ body: String(body ?? ''), finish: (text) => {
    response.setHeader('content-length', Buffer.byteLength(text));
    end.call(response, text);
  } });
});

const handle = provider.callback();
server.on('request', async (request, response) => {
  try {
    const path = new URL(request.url, issuer).pathname;
    if (path === '/tamper') {
      let text = '';
      for await (const piece of request) text += piece;
      mode = JSON.parse(text).mode;
      if (mode === 'rotated' && current === first) current = await makeKey('second');
      response.end('{}');
    } else if (path === '/jwks') {
      const { kty, n, e, kid, alg, use } = current;
      response.setHeader('content-type', 'application/jwk-set+json');
      response.end(JSON.stringify({ keys: [{ kty, n, e, kid, alg, use }] }));
    } else if (path.startsWith('/people/')) {
      await person(request, response);
    } else if (path === '/token') {
      const answered = answerOf(response);
      handle(request, response);
      const { body, finish } = await answered;
      const answer = JSON.parse(body);
      if (mode === 'no_token') delete answer.id_token;
      else if (mode === 'huge') answer.more = 'x'.repeat(2_000_000);
      else if (answer.id_token) answer.id_token = await tampered(answer.id_token);
      finish(JSON.stringify(answer));
    } else if (path === '/me' && mode === 'other_info') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ sub: 'asha', groups: ['vaani-admins'] }));
    } else {
      handle(request, response);
    }
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    response.end();
  }
});
process.stdout.write(`${JSON.stringify({ issuer, secret: SECRET })}\n`);
