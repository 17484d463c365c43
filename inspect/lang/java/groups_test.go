package java

import (
	"archive/zip"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// Jars that were not built with Maven have the coordinates of Maven Central: Debian's
// jars, with the relevant parts of their manifests, and the projects' own.
func TestPublished(t *testing.T) {
	for _, c := range []struct{ file, manifest, want string }{
		// Debian
		{"dom4j-2.1.1.jar", "", "org.dom4j:dom4j 2.1.1"},
		{"bcprov-1.72.jar", "Implementation-Version: 1.72.0\n", "org.bouncycastle:bcprov-jdk18on 1.72"},
		{"bcprov.jar", "Implementation-Version: 1.68.0\n", "org.bouncycastle:bcprov-jdk15on 1.68.0"},
		{"jackson-mapper-asl-1.9.13.jar", "Implementation-Title: Data mapper for Jackson JSON processor\n" +
			"Implementation-Version: 1.9.13\nBundle-SymbolicName: jackson-mapper-asl\n", "org.codehaus.jackson:jackson-mapper-asl 1.9.13"},
		{"jackson-core-asl-1.9.13.jar", "", "org.codehaus.jackson:jackson-core-asl 1.9.13"},
		{"postgresql.jar", "Implementation-Title: PostgreSQL JDBC Driver\nImplementation-Version: 42.5.5\n" +
			"Automatic-Module-Name: org.postgresql.jdbc\n", "org.postgresql:postgresql 42.5.5"},
		{"h2-2.1.214.jar", "Implementation-Title: H2 Database Engine\nImplementation-Version: 2.1.214\n" +
			"Bundle-SymbolicName: com.h2database\nBundle-Version: 2.1.214\n", "com.h2database:h2 2.1.214"},
		{"h2.jar", "Implementation-Title: H2 Database Engine\nImplementation-Version: 2.1.214\n", "com.h2database:h2 2.1.214"},
		{"groovy-2.4.21.jar", "Bundle-SymbolicName: groovy\nBundle-Version: 2.4.21\n", "org.codehaus.groovy:groovy 2.4.21"},
		{"groovy-all-2.4.21-indy.jar", "Bundle-Version: 2.4.21\n", "org.codehaus.groovy:groovy-all 2.4.21"},
		{"log4j-1.2-1.2.17.jar", "Bundle-SymbolicName: org.apache.log4j\nBundle-Version: 1.2.17\n", "log4j:log4j 1.2.17"},
		{"derby.jar", "Bundle-SymbolicName: derby\nBundle-Version: 10.14.2000000.???\n", "org.apache.derby:derby 10.14.2.0"},
		{"commons-collections3-3.2.2.jar", "Implementation-Version: 3.2.2\nImplementation-Title: Commons Collections\n",
			"commons-collections:commons-collections 3.2.2"},
		{"junit4.jar", "Implementation-Title: JUnit\nImplementation-Version: 4.13.2\n", "junit:junit 4.13.2"},
		{"jdom1-1.1.3.jar", "", "org.jdom:jdom 1.1.3"},
		{"jdom2-2.0.5.jar", "", "org.jdom:jdom2 2.0.5"},
		{"xalan2-2.7.2.jar", "", "xalan:xalan 2.7.2"},

		// the group changed
		{"dom4j-1.6.1.jar", "", "dom4j:dom4j 1.6.1"},
		{"groovy-3.0.9.jar", "", "org.codehaus.groovy:groovy 3.0.9"},
		{"groovy-4.0.2.jar", "", "org.apache.groovy:groovy 4.0.2"},
		{"groovy-json-4.0.2.jar", "", "org.apache.groovy:groovy-json 4.0.2"},
		{"postgresql-9.1-901.jdbc4.jar", "", "postgresql:postgresql 9.1-901.jdbc4"},
		{"postgresql-9.2-1002-jdbc4.jar", "", "org.postgresql:postgresql 9.2-1002-jdbc4"},
		{"hsqldb-1.8.0.10.jar", "", "hsqldb:hsqldb 1.8.0.10"},
		{"hsqldb-2.3.2.jar", "", "org.hsqldb:hsqldb 2.3.2"},
		{"ant-1.6.5.jar", "", "ant:ant 1.6.5"},
		{"ant-1.10.11.jar", "", "org.apache.ant:ant 1.10.11"},
		{"c3p0-0.9.1.2.jar", "", "c3p0:c3p0 0.9.1.2"},
		{"c3p0-0.9.5.2.jar", "", "com.mchange:c3p0 0.9.5.2"},
		{"hibernate-core-5.4.2.Final.jar", "", "org.hibernate:hibernate-core 5.4.2.Final"},
		{"hibernate-core-6.5.0.Final.jar", "", "org.hibernate.orm:hibernate-core 6.5.0.Final"},
		{"netty-3.2.10.Final.jar", "", "org.jboss.netty:netty 3.2.10.Final"},
		{"netty-3.10.6.Final.jar", "", "io.netty:netty 3.10.6.Final"},
		{"okhttp-2.7.5.jar", "", "com.squareup.okhttp:okhttp 2.7.5"},
		{"okhttp-4.9.1.jar", "", "com.squareup.okhttp3:okhttp 4.9.1"},
		{"commons-collections-3.2.1.jar", "", "commons-collections:commons-collections 3.2.1"},
		{"commons-collections4-4.0.jar", "", "org.apache.commons:commons-collections4 4.0"},
		{"mysql-connector-java-5.1.49-bin.jar", "Implementation-Version: 5.1.49\n", "mysql:mysql-connector-java 5.1.49"},
		{"mysql-connector-j-8.0.33.jar", "", "com.mysql:mysql-connector-j 8.0.33"},
		{"derby.jar", "Bundle-Version: 10.14.2000000.1828579\n", "org.apache.derby:derby 10.14.2.0"},
		{"jdom-2.0.6.jar", "", "org.jdom:jdom2 2.0.6"},
		{"lz4-java-1.7.1.jar", "", "org.lz4:lz4-java 1.7.1"},

		// ambiguous names
		{"postgresql-1.19.8.jar", "", "postgresql 1.19.8"}, // Testcontainers
		{"quartz-1.5.2.jar", "", "quartz 1.5.2"},
		{"dom4j-1.6.1-hudson-3.jar", "", "dom4j 1.6.1-hudson-3"},
		{"log4j-1.2-api-2.17.1.jar", "", "log4j 1.2-api-2.17.1"},
		{"log4j-1.2-api-2.17.1.jar", "Implementation-Version: 2.17.1\n", "log4j-1.2-api 2.17.1"},
		{"bcprov-1.45.jar", "", "bcprov 1.45"},
		{"hsqldb-2.6.0.jar", "Implementation-Version: private-19991231\n", "hsqldb-2.6.0 private-19991231"},
		{"my-postgresql-42.5.5.jar", "", "my-postgresql 42.5.5"},
	} {
		b := archive(t, member{manifestName, "Manifest-Version: 1.0\n" + c.manifest, zip.Deflate})
		if got, err := show(b, "app/lib/"+c.file); err != nil || !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q, %v; want %q", c.file, got, err, c.want)
		}
	}
}

// Debian's xalan2-2.7.2.jar contains BCEL with its properties, but the archive itself
// is not BCEL.
func TestPublishedWithAnother(t *testing.T) {
	b := archive(t, member{"META-INF/maven/org.apache.bcel/bcel/pom.properties",
		"groupId=org.apache.bcel\nartifactId=bcel\nversion=6.4.1\n", zip.Deflate})
	want := []string{"org.apache.bcel:bcel 6.4.1 xalan2-2.7.2.jar", "xalan:xalan 2.7.2"}
	if got, err := show(b, "xalan2-2.7.2.jar"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// Each version of an artifact has one group.
func TestPublicationsAreUnique(t *testing.T) {
	seen := map[string][]publication{}
	for _, p := range publications() {
		if p.since != "" && p.before != "" && !older(p.since, p.before) {
			t.Errorf("%s: since %s, before %s", p.group, p.since, p.before)
		}
		for _, a := range p.artifacts {
			if c := (coordinates{p.group, a, "1"}); !c.valid() {
				t.Errorf("%s:%s", p.group, a)
			}
			for _, q := range seen[a] {
				if (p.before == "" || q.since == "" || older(q.since, p.before)) &&
					(q.before == "" || p.since == "" || older(p.since, q.before)) {
					t.Errorf("%s: %+v and %+v", a, p.group, q.group)
				}
			}
			seen[a] = append(seen[a], p)
		}
	}
}

// The groups are those that advisories name if the test data has advisories for an
// artifact, and otherwise those that many images have.
func TestPublicationsMatchAdvisories(t *testing.T) {
	z, err := zip.OpenReader(testkit.Path(t, "osv", "Maven", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	groups := map[string]map[string]bool{} // by artifact
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var record struct {
			Affected []struct {
				Package struct{ Name string }
			}
		}
		if err := json.NewDecoder(r).Decode(&record); err != nil {
			t.Fatal(f.Name, err)
		}
		for _, a := range record.Affected {
			group, artifact, _ := strings.Cut(a.Package.Name, ":")
			if groups[artifact] == nil {
				groups[artifact] = map[string]bool{}
			}
			groups[artifact][group] = true
		}
	}
	installed := mavenPackages(t)
	advised, common := 0, 0
	for _, p := range publications() {
		for _, a := range p.artifacts {
			switch of := groups[a]; {
			case of[p.group]:
				advised++
			case of != nil && p.group != "c3p0": // no advisory names its first group
				t.Errorf("%s:%s is not what advisories call it: %v", p.group, a, of)
			case installed[p.group+"/"+a]:
				common++
			}
		}
	}
	if advised < 35 || common < 100 {
		t.Errorf("%d are in advisories, %d others in images", advised, common)
	}
}

// mavenPackages returns "group/artifact" of the packages that others found in images.
func mavenPackages(t *testing.T) map[string]bool {
	f, err := os.Open(testkit.Path(t, "inventories", "popular.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for s, r := "", bufio.NewReader(z); err == nil; {
		s, err = r.ReadString('"')
		if purl, ok := strings.CutPrefix(s, "pkg:maven/"); ok {
			name, _, _ := strings.Cut(purl, "@")
			found[name] = true
		}
	}
	return found
}

// In Maven's local repository the path identifies an archive.
func TestRepositoryCoordinates(t *testing.T) {
	for path, want := range map[string]coordinates{
		"root/.m2/repository/org/dom4j/dom4j/2.1.3/dom4j-2.1.3.jar":                    {"org.dom4j", "dom4j", "2.1.3"},
		".m2/repository/junit/junit/4.12/junit-4.12.jar":                               {"junit", "junit", "4.12"},
		"root/.m2/repository/a/b/c/1.0/c-1.0-linux-x86_64.jar":                         {"a.b", "c", "1.0"},
		"root/.m2/repository/a/c/1.0-SNAPSHOT/c-1.0-SNAPSHOT.jar":                      {"a", "c", "1.0-SNAPSHOT"},
		"root/.m2/repository/a/c/1.0-SNAPSHOT/c-1.0-20240102.030405-6.jar":             {"a", "c", "1.0-SNAPSHOT"},
		"root/.m2/repository/a/c/1.0/d-1.0.jar":                                        {},
		"root/.m2/repository/a/c/1.0/c-1.01.jar":                                       {},
		"root/.m2/repository/c/1.0/c-1.0.jar":                                          {},
		"root/.m2/repository/c-1.0.jar":                                                {},
		"root/.m2/repository/a b/c/1.0/c-1.0.jar":                                      {},
		"usr/share/maven-repo/org/codehaus/groovy/groovy/2.4.21/groovy-2.4.21.jar":     {},
		"root/.m2/wrapper/dists/apache-maven-3.9.6/lib/commons-cli-1.5.0.jar":          {},
		"root/.m2/repository/org/apache/maven/maven-core/3.9.6/maven-core-3.9.6.jar.x": {"org.apache.maven", "maven-core", "3.9.6"},
	} {
		if got := repositoryCoordinates(path); got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
