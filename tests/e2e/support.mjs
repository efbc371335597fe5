// What the tests import: everything that they need to stand in for a company with a provider, apps and people.
export * from './support/browser.mjs';
export * from './support/files.mjs';
export * from './support/network.mjs';
export * from './support/programs.mjs';
export { auth0Password, signInAtAuth0, startAuth0 } from './support/auth0.mjs';
export { altered, bearerSuite, claimsOf, resigned, startAxumApi } from './support/bearers.mjs';
export { cognitoPassword, serveMetadata, startCognito } from './support/cognito.mjs';
export { chooseAccount, emulatedTokens, startEmulator } from './support/emulators.mjs';
export {
  keycloakPassword, people, realm, realmRoles, signInAtKeycloak, startKeycloak,
} from './support/keycloak.mjs';
export { motoPassword, startMoto } from './support/moto.mjs';
export { robot, startMachineIssuer } from './support/machine-issuer.mjs';
export { derivePreset } from './support/presets.mjs';
export { accounts, password, startProvider } from './support/provider.mjs';
export { siteSuite } from './support/site.mjs';
export { startStack } from './support/stack.mjs';
export { hiddenFields, Visitor } from './support/visitor.mjs';
export { suite } from './support/suite.mjs';
export { look } from './support/looks.mjs';
