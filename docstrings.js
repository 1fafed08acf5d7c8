// That whatever the packages export says what it is, its properties too, and of whatever throws, when: `node docstrings.js`,
// part of `npm run lint`. It reads the sources: nothing need be built.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as is from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

const config = resolve('.docstrings.json');
const entries = readdirSync('packages').flatMap((name) => {
  const { exports, private: inner } = JSON.parse(
    readFileSync(join('packages', name, 'package.json'), 'utf8'),
  );
  const sources = Object.values(exports).map((target) => target['@diffusion-ts/source']);
  return inner ? [] : sources.filter(Boolean).map((source) => join('packages', name, source));
});

/** Its docstring; that of a constant stands above the statement that declares it. */
function docOf(node) {
  const above = is.isVariableDeclaration(node) ? node.parent.parent : node;
  return (above.jsDoc ?? []).map((comment) => comment.getText()).join('\n');
}

/** What a declaration lacks. */
function faultsOf(name, declaration) {
  const doc = docOf(declaration);
  const faults = doc === '' ? [`${name} has no docstring`] : [];
  const visit = (node) => {
    if (is.isBlock(node)) {
      const throws = /\bthrow |\bcheck[A-Z]\w*\(/.test(node.getText());
      if (throws && !/^\W*@throws/m.test(doc)) faults.push(`${name} throws, and no @throws says when`);
      return;
    }
    // What `Extract` looks for is no property of what it finds.
    if (is.isTypeReferenceNode(node) && node.typeName.getText() === 'Extract') return;
    if (is.isPropertySignatureDeclaration(node) || is.isMethodSignatureDeclaration(node)) {
      // A docstring speaks for what is inside of its property too.
      if (docOf(node) !== '') return;
      faults.push(`the property ${node.name.getText()} of ${name} has no docstring`);
    }
    node.forEachChild(visit);
  };
  declaration.forEachChild(visit);
  return faults;
}

const api = new API();
try {
  writeFileSync(config, JSON.stringify({ extends: './tsconfig.base.json', files: entries }));
  const { checker, program } = api.updateSnapshot({ openProject: config }).getProject(config);
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(resolve(entry)));
    for (const symbol of checker.getExportsOfModule(module)) {
      const all = checker.getAliasedSymbol(symbol).declarations.map((handle) => handle.resolve());
      // Of overloads nobody sees the one with the body.
      const seen = all.filter(({ body }) => all.length === 1 || body === undefined);
      for (const fault of seen.flatMap((declaration) => faultsOf(symbol.name, declaration))) {
        console.error(`${entry}: ${fault}.`);
        process.exitCode = 1;
      }
    }
  }
} finally {
  api.close();
  rmSync(config, { force: true });
}
