package java

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// A member is a file in an archive that a test makes.
type member struct {
	name    string
	content string
	method  uint16
}

// archive makes a jar.
func archive(t testing.TB, members ...member) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// show reads an archive and writes each package as "name version in", sorted.
func show(b []byte, path string) ([]string, error) {
	packages, err := Read(bytes.NewReader(b), int64(len(b)), path)
	var list []string
	for _, p := range packages {
		list = append(list, strings.TrimSpace(p.Name+" "+p.Version+" "+p.EmbeddedIn))
	}
	slices.Sort(list)
	return list, err
}

func file(t testing.TB, elem ...string) []byte {
	b, err := os.ReadFile(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every archive in the test data has the packages in its pom.properties, each at its
// path, and no other package with coordinates.
func TestExpected(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(testkit.Path(t, "lang", "java"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for _, dir := range dirs {
		var expected []struct{ Path, Group, Artifact, Version string }
		b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &expected); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.?ar"))
		if err != nil || len(files) != 1 {
			t.Fatal(dir, files, err)
		}
		path := filepath.Base(files[0])
		var want, got []string
		for _, e := range expected {
			want = append(want, e.Path+" "+e.Group+":"+e.Artifact+" "+e.Version)
		}
		if b, err = os.ReadFile(files[0]); err != nil {
			t.Fatal(err)
		}
		found, _ := Read(bytes.NewReader(b), int64(len(b)), path) // TestNamed covers damaged ones
		for _, p := range found {
			if p.Type != "maven" || len(p.Evidence) != 1 || p.Evidence[0] != (inventory.Evidence{Path: path, Kind: Kind}) {
				t.Errorf("%s: %+v", path, p)
			}
			if strings.Contains(p.Name, ":") && !strings.HasPrefix(p.Name, "org.apache.tomcat.embed:") { // TestNamed
				where := p.EmbeddedIn
				if where == "" {
					where = path
				}
				got = append(got, where+" "+p.Name+" "+p.Version)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", path, got, want)
		}
		packages += len(want)
	}
	if packages != 28 {
		t.Errorf("%d packages are expected", packages)
	}
}

// Archives without pom.properties are named after their manifest or file. Files that
// are not archives or nested too deeply are errors.
func TestNamed(t *testing.T) {
	for name, want := range map[string]struct {
		packages string
		err      string
	}{
		"b-test.jar":                    {"org.apache.tomcat.embed:tomcat-embed-websocket 9.0.65", ""},
		"bad-example.jar":               {"", "not a zip archive"},
		"bad-invalid_jar.jar":           {"", "not a zip archive"},
		"bad-unknown-unreadable.jar":    {"", "not a zip archive"},
		"com.google.src.yolo-0.1.2.jar": {"com.google.src.yolo 0.1.2", ""},
		"complex.jar":                   {"", ""},
		"empty.jar":                     {"", ""},
		"heuristic-1.0.0-SNAPSHOT.jar":  {"heuristic 1.0.0-SNAPSHOT", ""},
		"license-from-jenkins-plugin.jar": {
			"jenkins-plugin 1.0.0", ""},
		"nested_at_100.jar": {"", strings.Repeat("nested.jar!/", 7) +
			"nested.jar: nested.jar: archives nested more than 8 deep"},
		"no_pom_properties-2.4.0.jar":    {"no_pom_properties 2.4.0", ""},
		"pom_missing_group_id-2.4.0.jar": {"pom_missing_group_id 2.4.0", ""},
		"simple.jar":                     {"", ""},
		"test.jar":                       {"test 2.5.6.SEC03", ""},
		"unknown-readable.jar":           {"", ""},
	} {
		files, err := filepath.Glob(filepath.Join(testkit.Path(t, "lang", "java", name), "*.jar"))
		if err != nil || len(files) != 1 {
			t.Fatal(name, files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := show(b, filepath.Base(files[0]))
		if strings.Join(got, ", ") != want.packages || (err == nil) != (want.err == "") || err != nil && err.Error() != want.err {
			t.Errorf("%s: %q, %v; want %q, %q", name, got, err, want.packages, want.err)
		}
	}
}

// The META-INF of real jars, without their classes.
func TestMetadata(t *testing.T) {
	for _, c := range []struct{ dir, file, want string }{
		{"opensaml-core-3.4.6", "opensaml-core-3.4.6.jar", "org.opensaml:opensaml-core 3.4.6"},
		{"jackson-core-2.15.2", "jackson-core-2.15.2.jar", "com.fasterxml.jackson.core:jackson-core 2.15.2"},
		{"com.fasterxml.jackson.core.jackson-core-2.15.2", "com.fasterxml.jackson.core.jackson-core-2.15.2.jar",
			"com.fasterxml.jackson.core:jackson-core 2.15.2"},
		{"micronaut-aop-4.9.11", "micronaut-aop-4.9.11.jar", "io.micronaut:micronaut-aop 4.9.11"},
		{"commons-lang3-3.12.0", "commons-lang3-3.12.0.jar", "org.apache.commons:commons-lang3 3.12.0"}, // its pom.xml is not in one of Maven's folders
		{"spring-instrumentation-4.3.0-1.0", "spring-instrumentation-4.3.0-1.0.jar",
			"com.newrelic.instrumentation.spring-4.3.0 1.0"},
		{"jenkins-plugins/gradle/2.11", "gradle.hpi", "org.jenkins-ci.plugins:gradle 2.11"},
		{"api-all-2.0.0-sources", "api-all-2.0.0.jar",
			"org.apache.directory.api:api-all 2.0.0, org.apache.directory.api:api-asn1-api 2.0.0 api-all-2.0.0.jar"},
		{"org.multiple-thename", "org.multiple-thename.jar",
			"com.multiple:thename 10.11.12 org.multiple-thename.jar, org.multiple:thename 10.11.12"},
		{"multiple-matching-2.11.5", "multiple-matching-2.11.5.jar", "multiple-matching 2.11.5, " +
			"org.multiple:multiple-matching-1 2.11.5 multiple-matching-2.11.5.jar, " +
			"org.multiple:multiple-matching-2 2.11.5 multiple-matching-2.11.5.jar, " +
			"org.multiple:multiple-matching-3 2.11.5 multiple-matching-2.11.5.jar"},
		{"axis", "axis.jar", ""}, // the version in it is that of a Java package
		{"combine-manifest-filename", "ivy-2.4.0.jar", "org.apache.ivy:ivy 2.4.0"},
		{"known-group-id", "spring-web-5.3.26.jar", "org.springframework:spring-web 5.3.26"},
		{"known-group-id", "web.jar", "org.springframework:spring-web 5.3.26"},
		{"invalid-ids", "invalid.jar", "invalid 1.2.3"},
		{"manifest-no-group-id", "some-package.jar", "some-package 1.2.3"},
		{"manifest-implementation-title", "elasticsearch-8.14.3.jar", "org.elasticsearch:elasticsearch 8.14.3"},
		{"manifest-symbolicname", "failureaccess-1.0.1.jar", "failureaccess 1.0.1"},
	} {
		var members []member
		root := testkit.Path(t, "lang", "java-metadata", c.dir)
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			if name == "MANIFEST.MF" {
				name = manifestName
			}
			members = append(members, member{name, string(b), zip.Deflate})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := show(archive(t, members...), c.file)
		if strings.Join(got, ", ") != c.want || err != nil {
			t.Errorf("%s as %s: %q, %v; want %q", c.dir, c.file, got, err, c.want)
		}
	}
}

// zipped returns the files below a folder in an archive of the test data.
func zipped(t *testing.T, folder string) map[string]string {
	z, err := zip.OpenReader(testkit.Path(t, "lang", "java-manifests", "claircore", "manifests-and-properties.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string]string{}
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, folder+"/")
		if !ok || strings.HasSuffix(name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

// The main section of real jars' manifests is read completely. Name and version are
// right with and without the pom.properties.
func TestManifests(t *testing.T) {
	manifests, properties := zipped(t, "manifest"), zipped(t, "properties")
	if len(manifests) < 100 || len(properties) < 40 {
		t.Fatalf("%d manifests, %d properties", len(manifests), len(properties))
	}
	for name, text := range manifests {
		want, ok := manifests[name+".want"]
		if !ok {
			continue
		}
		got, err := readManifest(strings.NewReader(text))
		section, err2 := readManifest(strings.NewReader(want))
		if got != section || err != nil || err2 != nil {
			t.Errorf("%s: %+v, %v; of the main section %+v, %v", name, got, err, section, err2)
		}
	}
	given := 0
	for name, text := range properties {
		c, err := readProperties(strings.NewReader(text))
		if err != nil || !c.valid() {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		identity := c.group + ":" + c.artifact + " " + c.version
		members := []member{
			{"META-INF/MANIFEST.MF", manifests[name], zip.Deflate},
			{"META-INF/maven/" + c.group + "/" + c.artifact + "/pom.properties", text, zip.Deflate},
		}
		want := []string{identity}
		if name == "cassandra-driver-core-3.11.0-shaded.jar" { // the properties are those of a nested library
			want = []string{"cassandra-driver-core 3.11.0", identity + " " + name}
			c.artifact, c.version = "cassandra-driver-core", "3.11.0"
		}
		if got, err := show(archive(t, members...), name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
		got, err := show(archive(t, members[0]), name)
		switch {
		case err == nil && slices.Equal(got, []string{identity}):
			given++
		case err != nil || !slices.Equal(got, []string{c.artifact + " " + c.version}):
			t.Errorf("%s without properties: %q, %v; want %q", name, got, err, identity)
		}
	}
	if given != 13 { // Jackson's, Chronicle's and those in publications; none is wrong
		t.Errorf("%d archives have coordinates without properties", given)
	}
}

// An archive in an archive is read in every combination of stored and deflated, and the
// outer archive does not affect its packages.
func TestNested(t *testing.T) {
	inner := string(file(t, "lang", "java", "nested.jar", "nested.jar"))
	names := []string{
		"test:nested 0.0.1 app.ear!/app.war!/WEB-INF/lib/nested.jar",
		"test:nested2 0.0.2 app.ear!/app.war!/WEB-INF/lib/nested.jar!/META-INF/jars/nested2.jar",
		"test:nested3 0.0.3 app.ear!/app.war!/WEB-INF/lib/nested.jar!/META-INF/jars/nested2.jar!/META-INF/jars/nested3.jar",
	}
	for _, outer := range []uint16{zip.Store, zip.Deflate} {
		war := archive(t,
			member{"WEB-INF/lib/empty.jar", "", zip.Deflate},
			member{"WEB-INF/lib/nested.jar", inner, zip.Deflate},
			member{"WEB-INF/lib/nested-sources.jar", inner, zip.Deflate},
			member{"WEB-INF/lib/song.kar", "MThd", zip.Deflate})
		ear := archive(t, member{"app.war", string(war), outer}, member{"readme.jar.txt", "x", outer})
		if got, err := show(ear, "app.ear"); err != nil || !slices.Equal(got, names) {
			t.Errorf("method %d: %q, %v", outer, got, err)
		}
	}
	war := archive(t,
		member{"WEB-INF/lib/broken.jar", "no archive", zip.Deflate},
		member{"WEB-INF/lib/cut.jar", inner[:400], zip.Store},
		member{"WEB-INF/lib/nested.jar", inner, zip.Store})
	got, err := show(war, "app.war")
	if len(got) != 3 || err == nil || err.Error() !=
		"WEB-INF/lib/broken.jar: not a zip archive; WEB-INF/lib/cut.jar: not a zip archive" {
		t.Errorf("a damaged archive next to an intact one: %q, %v", got, err)
	}
}

// A file with the extension of a song or of another kind of archive is ignored.
func TestShared(t *testing.T) {
	for _, path := range []string{"song.kar", "a.rar", "set.par", "A.NAR"} {
		if got, err := show([]byte("Rar!\x1a\x07\x01\x00"), path); len(got) > 0 || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestWants(t *testing.T) {
	for path, want := range map[string]bool{
		"app.jar":                            true,
		"opt/app/lib/guava-31.1-jre.jar":     true,
		"test/app.jar":                       true, // may be anyone's folder
		"srv/tests/app-tests-1.0.jar":        true,
		"usr/share/java/maven3-core.jar":     true,
		"usr/share/maven-repo/a/a/1/a-1.jar": true, // installed by Debian
		"usr/lib/python3/dist-packages/pyspark/jars/jackson-core-2.15.2.jar": true,
		"app/node_modules/google-closure-compiler-java/compiler.jar":         true,
		"app/testdata.jar": true,
		"root/.gradle/wrapper/dists/gradle-8.8/lib/gradle-cli-8.8.jar":               true,
		"opt/app/guava-31.1-jre-sources.jar":                                         false,
		"opt/app/guava-31.1-jre-javadoc.jar":                                         false,
		"opt/app/hadoop-common-3.3.6-tests.jar":                                      false,
		"root/.m2/repository/junit/junit/4.12/junit-4.12.jar":                        true,
		"root/.gradle/caches/modules-2/files-2.1/junit/junit/4.12/ab/junit-4.12.jar": false,
		"root/.ivy2/cache/a/b/jars/b.jar":                                            false,
		"root/.cache/coursier/v1/https/repo/a/b/1/b-1.jar":                           false,
		"root/go/pkg/mod/example.org/m@v1.0.0/data/guava-31.1-jre.jar":               false,
		"src/app/src/test/resources/a.jar":                                           false,
		"src/app/testdata/a.jar":                                                     false,
		"usr/share/doc/libx-java/examples/x.jar":                                     false,
		"app/node_modules/jar-tools/test/fixtures/a.jar":                             false,
		"usr/lib/python3/dist-packages/x/tests/a.jar":                                false,
		"var/lib/gems/3.1.0/gems/jruby-jars-9.4/lib/jruby-core-9.4-complete.jar":     true,
		"var/lib/gems/3.1.0/gems/x-1/test/a.jar":                                     false,
	} {
		if got := Wants(path); got != want {
			t.Errorf("Wants(%q) = %v", path, got)
		}
	}
}
