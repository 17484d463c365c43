package java

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/feedtest"
	"assay/inspect/inventory"
	"assay/service/advisory"
	warnings "assay/service/feed/jenkins"
	"assay/service/index"
	"assay/service/match"
)

// plugin returns a genuine manifest of a plugin of Jenkins, with replacements.
func plugin(t testing.TB, oldnew ...string) string {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "lang", "java-metadata", "jenkins-plugins", "gradle", "2.11", "META-INF", "MANIFEST.MF"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(oldnew...).Replace(string(b))
}

// described returns packages as "type name version [embedded]".
func described(all []inventory.Package) string {
	var lines []string
	for _, p := range all {
		lines = append(lines, strings.TrimSpace(p.Type+" "+p.Name+" "+p.Version+" "+p.EmbeddedIn))
	}
	return strings.Join(lines, ", ")
}

// TestJenkinsPlugins: an archive of a plugin, made by jar, and the folder that it is unpacked to
// are the same package.
func TestJenkinsPlugins(t *testing.T) {
	jar, err := exec.LookPath("jar")
	if err != nil {
		testkit.Missing(t, "jar: %v", err)
	}
	for _, tt := range []struct {
		name     string
		manifest string
		want     string
	}{
		{"genuine", plugin(t), "maven org.jenkins-ci.plugins:gradle 2.11"},
		{"of another group", plugin(t, "org.jenkins-ci.plugins", "com.coravy.hudson.plugins.github", "Short-Name: gradle", "Short-Name: github"), "jenkins plugin/github 2.11"},
		{"without a group", plugin(t, "Group-Id: org.jenkins-ci.plugins\n", ""), "jenkins plugin/gradle 2.11"},
		{"of a name that only begins like a group", plugin(t, "org.jenkins-ci.plugins", "org.jenkins-city"), "jenkins plugin/gradle 2.11"},
		{"built by hand", plugin(t, "Plugin-Version: 2.11", "Plugin-Version: 2.12-SNAPSHOT (private-0a1b2c3d-user)"), "jenkins plugin/gradle"},
		{"not of Jenkins", plugin(t, "Jenkins-Version", "Other-Version"), ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "m"), []byte(tt.manifest), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), jar, "--create", "--file", dir+"/gradle.jpi", "--manifest", dir+"/m", "-C", dir, "m").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tt.name, err, out)
		}
		b, err := os.ReadFile(dir + "/gradle.jpi")
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(b), int64(len(b)), "ref/plugins/gradle.jpi")
		inArchive := described(got)
		if tt.want != "" && (err != nil || !strings.HasSuffix(inArchive, tt.want)) || strings.Contains(tt.want, "maven") && inArchive != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, inArchive, err, tt.want)
		}
		const path = "var/jenkins_home/plugins/gradle/META-INF/MANIFEST.MF"
		got, err = ReadJenkins(strings.NewReader(tt.manifest), path)
		if described(got) != tt.want || err != nil || !WantsJenkins(path) {
			t.Errorf("%s, unpacked: %q, %v, want %q", tt.name, described(got), err, tt.want)
		}
	}
}

// TestJenkinsCore: Jenkins is found by the coordinates of jenkins-core in its war, or else by
// the manifest of the war.
func TestJenkinsCore(t *testing.T) {
	const manifest = "Manifest-Version: 1.0\nMain-Class: executable.Main\nJenkins-Version: 2.441\n"
	pom := func(artifact string) string {
		return "groupId=org.jenkins-ci.main\nartifactId=" + artifact + "\nversion=2.441\n"
	}
	core := string(archive(t, member{"META-INF/maven/org.jenkins-ci.main/jenkins-core/pom.properties", pom("jenkins-core"), zip.Deflate}))
	detached := string(archive(t, member{manifestName, plugin(t, "org.jenkins-ci.plugins", "com.example"), zip.Deflate}))
	for want, members := range map[string][]member{
		"jenkins core 2.441": {{manifestName, manifest, zip.Deflate}},
		"maven org.jenkins-ci.main:jenkins-core 2.441 jenkins.war!/WEB-INF/lib/jenkins-core-2.441.jar": {
			{manifestName, manifest, zip.Deflate}, {"WEB-INF/lib/jenkins-core-2.441.jar", core, zip.Store}},
		"maven org.jenkins-ci.main:jenkins-war 2.441": {
			{manifestName, manifest, zip.Deflate}, {"META-INF/maven/org.jenkins-ci.main/jenkins-war/pom.properties", pom("jenkins-war"), zip.Deflate}},
		"maven com.example:gradle 2.11 jenkins.war!/WEB-INF/detached-plugins/gradle.hpi, jenkins plugin/gradle 2.11 jenkins.war!/WEB-INF/detached-plugins/gradle.hpi": {
			{"WEB-INF/detached-plugins/gradle.hpi", detached, zip.Store}},
	} {
		b := archive(t, members...)
		got, err := Read(bytes.NewReader(b), int64(len(b)), "jenkins.war")
		if text := described(got); err != nil || text != want {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
}

// TestJenkinsWarnings matches, with each genuine warning about a plugin that names a last
// version the manifest of that version, in a group of Jenkins and in another.
func TestJenkinsWarnings(t *testing.T) {
	b, err := os.ReadFile(testkit.Path(t, "wordpress", "feeds", "jenkins", "warnings.json"))
	if err != nil {
		t.Fatal(err)
	}
	feed := feedtest.New(t, warnings.Source(), map[string][]byte{"update-center.actual.json": b})
	if _, err := feed.Update(t); err != nil {
		t.Fatal(err)
	}
	// Packages with coordinates of Maven are evaluated if Maven has any advisory.
	all := []advisory.Advisory{{ID: "X", Source: "osv", Affected: []advisory.Affected{{Package: advisory.Package{Ecosystem: "Maven", Name: "x:x"}, Versions: []string{"0"}}}}}
	var inv inventory.Inventory
	ids, want := map[string]string{}, map[string]bool{} // by path
	for _, a := range feed.Advisories(t) {
		all = append(all, a)
		name, _ := strings.CutPrefix(a.Affected[0].Package.Name, "plugin/")
		var specific struct {
			Patterns []string `json:"patterns"`
			Last     []string `json:"last_versions"`
		}
		if err := json.Unmarshal(a.Affected[0].EcosystemSpecific, &specific); err != nil {
			t.Fatal(err)
		}
		if len(specific.Last) != 1 || len(specific.Patterns) != 1 || name == "core" {
			continue
		}
		pattern, err := regexp.Compile("^(?:" + specific.Patterns[0] + ")$")
		if err != nil {
			continue // it is only valid in Java
		}
		for _, group := range []string{"org.jenkins-ci.plugins", "com.example"} {
			path := fmt.Sprintf("%d/plugins/x/META-INF/MANIFEST.MF", len(ids))
			got, err := ReadJenkins(strings.NewReader(plugin(t, "org.jenkins-ci.plugins", group, "Short-Name: gradle", "Short-Name: "+name, "Version: 2.11", "Version: "+specific.Last[0])), path)
			if err != nil || len(got) != 1 {
				t.Fatalf("%s: %+v, %v", a.ID, got, err)
			}
			inv.Packages = append(inv.Packages, got[0])
			ids[path] = a.ID
			// In a few warnings the last version is not one of the pattern.
			want[path] = pattern.MatchString(specific.Last[0])
		}
	}
	res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range res.Findings {
		for _, p := range f.Package.Paths {
			found[p+" "+f.ID] = true
		}
	}
	affected := 0
	for path, id := range ids {
		if got := found[path+" "+id]; got != want[path] {
			t.Errorf("%s, %s: found %t, want %t", path, id, got, want[path])
		}
		if want[path] {
			affected++
		}
	}
	t.Logf("%d manifests, %d affected", len(ids), affected)
	if affected < 2700 {
		t.Errorf("only %d manifests are affected", affected)
	}
}

func TestWantsJenkins(t *testing.T) {
	for path, want := range map[string]bool{
		"var/jenkins_home/plugins/git/META-INF/MANIFEST.MF":  true,
		"plugins/git/META-INF/MANIFEST.MF":                   true,
		"var/jenkins_home/war/META-INF/MANIFEST.MF":          false,
		"plugins/META-INF/MANIFEST.MF":                       false,
		"srv/test/fixtures/plugins/git/META-INF/MANIFEST.MF": false,
		"var/jenkins_home/plugins/git/WEB-INF/MANIFEST.MF":   false,
		"opt/my-plugins/git/META-INF/MANIFEST.MF":            false,
	} {
		if got := WantsJenkins(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

func FuzzReadJenkins(f *testing.F) {
	f.Add([]byte("Short-Name: x\nPlugin-Version: 1\nJenkins-Version: 2\nGroup-Id: org.jenkins-ci.plugins\n"))
	f.Add([]byte("Short-Name: x\r Plugin-Version:\r\n 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _ := ReadJenkins(bytes.NewReader(b), "plugins/x/META-INF/MANIFEST.MF")
		for _, p := range all {
			if strings.ContainsAny(p.Name+p.Version, " \n\x00") || p.Name == "plugin/" {
				t.Errorf("%+v", p)
			}
		}
	})
}
