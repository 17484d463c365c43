package inspect

import (
	"testing"

	"assay/check/testkit"
)

// Deno runs packages from its global cache without a folder node_modules.
func TestDenoCache(t *testing.T) {
	inv := inventoryOf(t, testkit.Path(t, "faults", "inventory", "deno"), Options{}, readers())
	if got, want := names(inv), "npm chalk 5.3.0\nnpm minimist 1.2.5"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Links in node_modules lead to the stores of vlt and rules_js, and to one of no
// package manager. Each package in them is reported once.
func TestNodeStores(t *testing.T) {
	const a, b = `{"name":"a","version":"1.0.0"}`, `{"name":"@s/b","version":"2.0.0"}`
	for name, entries := range map[string]map[string]string{
		"vlt": {
			"app/node_modules/a": "-> .vlt/·npm·a@1.0.0/node_modules/a",
			"app/node_modules/.vlt/·npm·a@1.0.0/node_modules/a/package.json":       a,
			"app/node_modules/.vlt/·npm·a@1.0.0/node_modules/@s/b":                 "-> ../../../·npm·@s§b@2.0.0/node_modules/@s/b",
			"app/node_modules/.vlt/·npm·@s§b@2.0.0/node_modules/@s/b/package.json": b,
		},
		"rules_js": {
			"app/node_modules/a": "-> ../../node_modules/.aspect_rules_js/a@1.0.0/node_modules/a",
			"node_modules/.aspect_rules_js/a@1.0.0/node_modules/a/package.json":       a,
			"node_modules/.aspect_rules_js/a@1.0.0/node_modules/@s/b":                 "-> ../../../@s+b@2.0.0/node_modules/@s/b",
			"node_modules/.aspect_rules_js/@s+b@2.0.0/node_modules/@s/b/package.json": b,
		},
		"outside": {
			"app/node_modules/a":                     "-> ../../store/1234/a",
			"store/1234/a/package.json":              a,
			"store/1234/a/node_modules/@s/b":         "-> ../../../../5678",
			"store/5678/package.json":                b,
			"store/9999/package.json":                `{"name":"unused","version":"3.0.0"}`,
			"app/node_modules/.other/x/package.json": `{"name":"unused","version":"4.0.0"}`,
		},
	} {
		inv := inventoryOf(t, testkit.Tree(t, entries), Options{}, readers())
		if got, want := names(inv), "npm @s/b 2.0.0\nnpm a 1.0.0"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		for _, p := range inv.Packages {
			if len(p.Evidence) != 1 {
				t.Errorf("%s: %s is found as %v", name, p.Name, p.Evidence)
			}
		}
	}
}
