// What the tests import: everything that they need to stand in for a company with a provider, apps and people.
export * from './support/browser.mjs';
export * from './support/files.mjs';
export * from './support/network.mjs';
export * from './support/programs.mjs';
export {
  keycloakPassword, people, realm, realmRoles, signInAtKeycloak, startKeycloak,
} from './support/keycloak.mjs';
export { accounts, password, startProvider } from './support/provider.mjs';
export { siteSuite } from './support/site.mjs';
export { startStack } from './support/stack.mjs';
export { suite } from './support/suite.mjs';
export { look } from './support/looks.mjs';
