package inspect

import (
	"strings"
	"testing"

	"assay/check/testkit"
)

// Programs run from Maven's local repository (mvn exec:java, JBang). A jar in it counts
// unless an application contains the same version of the package.
func TestMavenRepository(t *testing.T) {
	const (
		repository = "root/.m2/repository/"
		yaml       = repository + "org/yaml/snakeyaml/1.33/snakeyaml-1.33.jar"
		older      = repository + "org/yaml/snakeyaml/1.30/snakeyaml-1.30.jar"
		driver     = repository + "com/example/driver/2.0/driver-2.0.jar"
		sources    = repository + "com/example/driver/2.0/driver-2.0-sources.jar"
	)
	plain := application(t, false) // contains snakeyaml 1.33
	empty := jarOf(t, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
	properties := jarOf(t, "META-INF/maven/org.yaml/snakeyaml/pom.properties", "groupId=org.yaml\nartifactId=snakeyaml\nversion=1.33\n")
	for name, c := range map[string]struct {
		entries map[string]string
		want    string
		paths   string // of the evidence of snakeyaml 1.33
	}{
		"alone": {map[string]string{yaml: properties, older: empty, driver: empty, sources: empty},
			"maven com.example:driver 2.0\nmaven org.yaml:snakeyaml 1.30\nmaven org.yaml:snakeyaml 1.33", yaml},
		"held by an application": {map[string]string{yaml: properties, older: empty, driver: empty, "app/app.jar": plain},
			"maven com.example:driver 2.0\nmaven org.yaml:snakeyaml 1.30\nmaven org.yaml:snakeyaml 1.33", "app/app.jar"},
		"also in an application": {map[string]string{yaml: properties, "app/lib/snakeyaml-1.33.jar": properties},
			"maven org.yaml:snakeyaml 1.33", "app/lib/snakeyaml-1.33.jar " + yaml},
		"linked to": {map[string]string{yaml: properties, "app/lib/snakeyaml.jar": "-> /" + yaml},
			"maven org.yaml:snakeyaml 1.33", yaml},
	} {
		inv := inventoryOf(t, testkit.Tree(t, c.entries), Options{}, readers())
		if got := names(inv); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		for _, p := range inv.Packages {
			var paths []string
			for _, e := range p.Evidence {
				paths = append(paths, e.Path)
			}
			if got := strings.Join(paths, " "); p.Version == "1.33" && got != c.paths {
				t.Errorf("%s: evidence %s, want %s", name, got, c.paths)
			}
		}
	}
}
