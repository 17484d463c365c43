package node

import "testing"

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		// npm
		"node_modules/a/package.json":                                   true,
		"srv/app/node_modules/a/package.json":                           true,
		"srv/app/node_modules/@s/a/package.json":                        true,
		"srv/app/node_modules/a/node_modules/@s/b/package.json":         true,
		"srv/app/node_modules/@s/a/node_modules/b/package.json":         true,
		"usr/local/lib/node_modules/npm/node_modules/a/package.json":    true,
		"usr/lib/node_modules_22/npm/node_modules/a/package.json":       true,
		"srv/app/.next/standalone/node_modules/a/package.json":          true,
		"srv/app/node_modules/_a@1.0.0@a/package.json":                  true,
		"srv/app/package.json":                                          false,
		"package.json":                                                  false,
		"srv/app/node_modules/package.json":                             false,
		"srv/app/node_modules/@s/package.json":                          false,
		"srv/app/node_modules/a/package.json.bak":                       false,
		"srv/app/node_modules/a/dist/esm/package.json":                  false,
		"srv/app/node_modules/@s/a/dist/package.json":                   false,
		"srv/app/node_modules/a/test/node_modules/b/package.json":       false,
		"srv/app/node_modules/a/dist/node_modules/b/package.json":       false,
		"srv/app/node_modules/.a-Xb1cD2eF/package.json":                 false,
		"srv/app/node_modules/@s/.a-Xb1cD2eF/package.json":              false,
		"srv/app/node_modules/.vite/deps/package.json":                  false,
		"srv/app/node_modules/.cache/x/node_modules/a/package.json":     false,
		"srv/app/node_modules/.nitro/a@1.0.0/package.json":              true,
		"srv/app/node_modules/.nitro/@s/a@1.0.0/package.json":           true,
		"srv/app/node_modules/.nitro/a@1.0.0/dist/package.json":         false,
		"srv/app/node_modules/.nitro/package.json":                      false,
		"srv/app/node_modules/node_modules/package.json":                true,
		"srv/app/node_modules//package.json":                            false,
		"srv/app/node_modules/a/node_modules/package.json":              false,
		"srv/app/my_node_modules/a/package.json":                        false,
		"srv/app/test/fixtures/node_modules/a/package.json":             false,
		"usr/share/doc/node-x/examples/node_modules/a/package.json":     false,
		"usr/lib/node_modules_22/npm/test/node_modules/a/package.json":  false,
		"usr/lib/ruby/gems/3.1.0/gems/typeprof-0.21.2/x/package.json":   false,
		"usr/local/lib/node_modules/npm/docs/node_modules/package.json": false,

		// pnpm, npm's linked installations, Bun, Deno, Yarn
		"a/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json":                  true,
		"a/node_modules/.pnpm/@s+b@1.0.0/node_modules/@s/b/package.json":            true,
		"a/node_modules/.pnpm/b@1.0.0/node_modules/b/node_modules/c/package.json":   true,
		"a/node_modules/.store/b@1.0.0-X/node_modules/b/package.json":               true,
		"a/node_modules/.store/@s/b@1.0.0-X/node_modules/@s/b/package.json":         true,
		"a/node_modules/.bun/b@1.0.0/node_modules/b/package.json":                   true,
		"a/node_modules/.deno/b@1.0.0/node_modules/b/package.json":                  true,
		"a/node_modules/.store/b-npm-1.0.0-b58f5b6b69/package/package.json":         true,
		"a/node_modules/.store/@s-b-npm-1.0.0-b58f5b6b69/package/package.json":      true,
		"a/node_modules/.store/b-npm-1.0.0-b5/package/node_modules/c/package.json":  true,
		"root/.local/share/pnpm/global/5/.pnpm/b@1.0.0/node_modules/b/package.json": true,
		"a/.yarn/unplugged/b-npm-1.0.0-b58f5b6b69/node_modules/b/package.json":      true,
		"a/node_modules/.pnpm/b@1.0.0/package.json":                                 false,
		"a/node_modules/.pnpm/package.json":                                         false,
		"a/node_modules/.pnpm/b@1.0.0/node_modules/b/dist/package.json":             false,
		"a/node_modules/.store/b-npm-1.0.0-b5/package/dist/package.json":            false,
		"a/node_modules/.store/b-npm-1.0.0-b5/packages/package.json":                false,
		"a/node_modules/.pnpm/b@1.0.0/package/package.json":                         false,

		"a/node_modules/.vlt/·npm·b@1.0.0/node_modules/b/package.json":              true,
		"a/node_modules/.vlt/··@s§b@1.0.0/node_modules/@s/b/package.json":           true,
		"a/node_modules/.vlt/·npm·b@1.0.0/package.json":                             false,
		"a/node_modules/.aspect_rules_js/b@1.0.0/node_modules/b/package.json":       true,
		"a/node_modules/.aspect_rules_js/@s+b@1.0.0/node_modules/@s/b/package.json": true,

		// Deno's global cache
		"deno-dir/npm/npm.example.com/minimist/1.2.5/package.json":            true,
		"deno-dir/npm/registry.npmjs.org/@s/b/1.0.0/package.json":             true,
		"deno-dir/npm/registry.npmjs.org/b/1.0.0_1/package.json":              true,
		"root/.cache/deno/npm/registry.npmjs.org/b/1.0.0/package.json":        true,
		"root/.cache/deno/npm/localhost_4873/b/1.0.0/package.json":            true,
		"srv/cache/npm/registry.npmjs.org/b/1.0.0/package.json":               true,
		"deno-dir/npm/registry.npmjs.org/b/1.0.0/node_modules/c/package.json": true,
		"deno-dir/npm/registry.npmjs.org/b/1.0.0/dist/package.json":           false,
		"deno-dir/npm/registry.npmjs.org/b/package.json":                      false,
		"deno-dir/npm/registry.npmjs.org/@s/1.0.0/package.json":               false,
		"deno-dir/npm/registry.npmjs.org/b/dist/package.json":                 false,
		"deno-dir/gen/npm.example.com/b/1.0.0/package.json":                   false,
		"srv/my-deno-dir/npm/npm.example.com/b/1.0.0/package.json":            false,
		"srv/npm/npm.example.com/b/1.0.0/package.json":                        false,
		"srv/fixtures/deno-dir/npm/npm.example.com/b/1.0.0/package.json":      false,

		"srv/npm/npm/deno-dir/npm/npm.example.com/npm/10.0.0/package.json": true,

		// Corepack
		"root/.cache/node/corepack/v1/pnpm/9.1.0/package.json":                     true,
		"root/.cache/node/corepack/pnpm/8.6.0/package.json":                        true,
		"corepack/v1/yarn/1.22.22/package.json":                                    true,
		"corepack/v1/npm/10.8.1/package.json":                                      true,
		"corepack/v1/npm/10.8.1/node_modules/b/package.json":                       true,
		"root/.cache/node/corepack/v1/pnpm/9.1.0/dist/node_modules/b/package.json": true,
		"root/.cache/node/corepack/v1/pnpm/9.1.0/dist/package.json":                false,
		"root/.cache/node/corepack/v1/other/9.1.0/package.json":                    false,
		"root/.cache/node/corepack/v1/pnpm/package.json":                           false,
		"srv/my-corepack/v1/pnpm/9.1.0/package.json":                               false,
		"root/.cache/node/corepack/v1/yarn/4.5.0/.corepack":                        true,
		"root/.cache/node/corepack/v1/yarn/10.0.0/.corepack":                       true,
		"root/.cache/node/corepack/v1/yarn/1.22.22/.corepack":                      false, // it has a package.json
		"root/.cache/node/corepack/v1/pnpm/9.1.0/.corepack":                        false,
		"root/.cache/node/corepack/v1/yarn/.corepack":                              false,
		"srv/testdata/corepack/v1/yarn/4.5.0/.corepack":                            false,
		"srv/yarn/4.5.0/.corepack":                                                 false,

		// Meteor and code-server
		"app/programs/server/npm/node_modules/meteor/ddp-client/node_modules/b/package.json":            true,
		"app/programs/server/npm/node_modules/meteor/a_b/node_modules/@s/b/node_modules/c/package.json": true,
		"app/programs/server/npm/node_modules/b/package.json":                                           true,
		"app/programs/server/npm/node_modules/meteor/ddp-client/package.json":                           false,
		"app/programs/server/npm/node_modules/meteor/ddp-client/x/node_modules/b/package.json":          false,
		"app/node_modules/meteor/ddp-client/node_modules/b/package.json":                                false,
		"usr/lib/node_modules/code-server/lib/vscode/node_modules/b/package.json":                       true,
		"usr/lib/node_modules/code-server/lib/vscode/extensions/git/node_modules/b/package.json":        true,
		"usr/lib/node_modules/code-server/lib/vscode/extensions/node_modules/b/package.json":            true,
		"usr/lib/node_modules/code-server/lib/vscode/package.json":                                      false,
		"usr/lib/node_modules/code-server/lib/vscode/extensions/git/package.json":                       false,
		"usr/lib/code-server/lib/vscode/node_modules/b/package.json":                                    true,
		"usr/lib/node_modules/other/lib/vscode/node_modules/b/package.json":                             false,

		// the cache of Yarn 1
		"usr/local/share/.cache/yarn/v6/npm-b-1.0.0-4c3b-integrity/node_modules/b/package.json": false,
		"srv/v6/app/node_modules/b/package.json":                                                true,
		"srv/npm-mirror/node_modules/b/package.json":                                            true,
		"npm-mirror/node_modules/b/package.json":                                                true,

		// Debian, and where Node.js and Yarn are unpacked
		"usr/share/nodejs/a/package.json":                               true,
		"usr/share/nodejs/@s/a/package.json":                            true,
		"usr/share/nodejs/a/node_modules/b/package.json":                true,
		"usr/lib/nodejs/a/package.json":                                 true,
		"usr/lib/x86_64-linux-gnu/nodejs/a/package.json":                true,
		"usr/share/nodejs/package.json":                                 false,
		"usr/share/nodejs/@s/package.json":                              false,
		"usr/share/nodejs/@s/a/lib/package.json":                        false,
		"usr/share/nodejs/a/test/node_modules/b/package.json":           false,
		"usr/lib/x86_64-linux-gnu/a/package.json":                       false,
		"usr/lib/nodejs/node-v20.1.0/lib/node_modules/npm/package.json": true,
		"opt/yarn-v1.22.22/package.json":                                true,
		"opt/yarn-v1.22.22/lib/package.json":                            false,
		"srv/opt/yarn-v1.22.22/package.json":                            false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestWantsAllocatesNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		Wants("srv/app/node_modules/.store/@s/b@1.0.0-X/node_modules/@s/b/node_modules/c/package.json")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
