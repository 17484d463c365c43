package tree

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"

	"assay/check/testkit"
)

// allowed lists the imports between the folders of the project. The entry of a folder
// holds for the packages in it and below it, unless a deeper folder has an entry. The
// packages of an entry may import the folders it names, with all that is below them.
// Tests may import anything.
var allowed = map[string]string{
	// The client. It imports nothing of service.
	".":   "cli",
	"cli": "cli inspect remote verdict",

	// The live filesystem becomes an inventory. The readers of one language or
	// distribution know nothing of the others.
	"inspect":            "inspect",
	"inspect/inventory":  "",
	"inspect/rootfs":     "inspect/inventory",
	"inspect/walk":       "inspect/elf inspect/inventory inspect/rootfs",
	"inspect/failures":   "",
	"inspect/app":        "inspect/elf inspect/fixture inspect/ident inspect/inventory",
	"inspect/distro":     "inspect/failures inspect/ident inspect/inventory inspect/readat",
	"inspect/distro/rpm": "inspect/failures inspect/ident inspect/inventory inspect/readat inspect/distro/rpm",
	"inspect/lang":       "inspect/elf inspect/fixture inspect/ident inspect/inventory inspect/jsonscan inspect/readat inspect/zipfile",

	// Between the two programs, and the answer.
	"remote":  "inspect/inventory remote verdict",
	"verdict": "",

	// What the service knows. Nothing here knows who asks.
	"service/advisory":      "",
	"service/cpe":           "",
	"service/advisory/load": "service/advisory service/store",
	"service/exploit":       "",
	"service/feed":          "service/advisory service/cpe service/distro service/exploit service/feed service/store service/version verdict",
	"service/retention":     "service/store",
	"service/store":         "service/store",
	"service/version":       "service/version",
	"service/distro":        "inspect/inventory service/advisory service/version verdict",
	"service/index":         "service/advisory service/distro service/exploit service/version verdict",
	"service/bundle":        "service/advisory service/exploit service/feed service/store verdict/hint",
	"service/snapshot":      "service/advisory service/exploit service/index service/match service/store verdict",

	// An inventory becomes a verdict.
	"service/match":           "inspect/inventory remote/purl service/advisory service/cpe service/distro service/exploit service/index service/version verdict",
	"service/policy/yamltext": "verdict",
	"service/policy/ruleset":  "service/policy/ignore service/policy/yamltext service/store verdict",
	"service/policy/vex":      "remote/purl service/policy/ignore verdict",
	"service/policy/ignore":   "remote/purl service/advisory service/match service/policy/yamltext verdict",
	"service/policy":          "inspect/inventory remote/cyclonedx remote/purl service/advisory service/distro service/exploit service/match service/policy verdict",
	"service/remedy":          "inspect/inventory service/distro service/match service/version verdict",
	"service/scan":            "remote/cyclonedx remote/jsonread remote/spdx service/distro service/match service/policy service/remedy service/store verdict",
	"service/report":          "remote/cyclonedx remote/spdx service/report verdict",
	"service/explain":         "inspect/inventory remote/purl service/advisory service/exploit service/index service/match service/scan service/store verdict",

	// Finished images.
	"service/layer":        "inspect verdict/hint",
	"service/layer/source": "service/layer verdict/hint",
	"service/image":        "remote/cyclonedx service/httpserver service/layer service/scan service/store verdict",

	// HTTP. The server knows no handler.
	"service/acme":       "service/store",
	"service/lifetime":   "",
	"service/links":      "service/store",
	"service/oidc":       "",
	"service/registry":   "",
	"service/metrics":    "service/httpserver service/store verdict",
	"service/signin":     "remote/token service/oidc service/store",
	"service/tokens":     "remote/token service/store verdict/hint",
	"service/httpserver": "remote/token service/oidc service/store verdict/hint",
	"service/harbor":     "service/httpserver service/image service/layer service/report service/store verdict",
	"service/osvapi":     "inspect/inventory remote/purl service/distro service/httpserver service/index service/match service/scan service/store verdict",
	"service/web":        "service/httpserver service/links service/report service/store",
	"service/api": "remote/cyclonedx remote/slot remote/token service/explain service/httpserver service/match " +
		"service/image service/layer/source service/lifetime service/links service/policy/ruleset service/registry service/report service/scan service/signin service/store service/tokens verdict",

	"service/clair": "inspect/inventory service/advisory service/clair service/distro service/httpserver service/image service/index service/layer service/match service/oidc service/report service/scan service/store verdict",

	// The program connects all of it.
	"service/assayd": "cli/argv cli/buildinfo cli/manual remote service verdict",

	// What tests and measures the project. Nothing but tests and check imports it.
	"check": "check cli inspect remote service verdict",
}

// TestImports compares every import between packages of the project with allowed.
func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = testkit.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[[2]string]bool) // entries and the folders they name
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := folder(p.ImportPath)
		entry, ok := entryOf(from)
		if !ok {
			t.Errorf("%s has no entry in allowed", from)
			continue
		}
		used[[2]string{entry}] = true
		for _, imported := range p.Imports {
			if imported != "assay" && !strings.HasPrefix(imported, "assay/") {
				continue
			}
			to := folder(imported)
			allows := false
			for may := range strings.FieldsSeq(allowed[entry]) {
				if under(to, may) {
					allows = true
					used[[2]string{entry, may}] = true
				}
			}
			if !allows {
				t.Errorf("%s imports %s, which the entry %q of allowed does not list", from, to, entry)
			}
		}
	}
	for entry, list := range allowed {
		if !used[[2]string{entry}] {
			t.Errorf("allowed has an entry for %s, and no package has this folder", entry)
		}
		for may := range strings.FieldsSeq(list) {
			if !used[[2]string{entry, may}] {
				t.Errorf("allowed lists %s for %s, which does not import it", may, entry)
			}
		}
	}
}

// folder returns the folder of a package of the project.
func folder(importPath string) string {
	if importPath == "assay" {
		return "."
	}
	return strings.TrimPrefix(importPath, "assay/")
}

func under(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

// entryOf returns the deepest folder with an entry in allowed that dir is under.
func entryOf(dir string) (entry string, ok bool) {
	for e := range allowed {
		if under(dir, e) && (!ok || len(e) > len(entry)) {
			entry, ok = e, true
		}
	}
	return entry, ok
}
