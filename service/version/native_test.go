package version_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/version"
)

// A native is the tool of an ecosystem that orders its versions. It reads pairs with a tab
// between them and writes a line for each: -1, 0, 1, or "error" if it rejects one of them.
type native struct {
	ecosystem string
	pools     []string // folders of osv/ whose versions are taken
	suffixes  string   // by which versions are changed, separated by blanks
	command   []string
	// rewrite returns the version that the tool reads instead because of a bug. It is nil
	// if the tool has no such bug.
	rewrite func(string) string
	// vague finds versions that the ecosystem has no rule for. May be nil.
	vague *regexp.Regexp
}

const nodeScript = `
const semver = require(process.argv[1])
for (const line of require('fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)) {
  const [a, b] = line.split('\t')
  console.log(semver.valid(a) && semver.valid(b) ? semver.compare(a, b) : 'error')
}`

const gemScript = `
STDIN.each_line(chomp: true) do |line|
  a, b = line.split("\t", -1)
  puts Gem::Version.correct?(a) && Gem::Version.correct?(b) ? Gem::Version.new(a) <=> Gem::Version.new(b) : "error"
end`

const composerScript = `
require '/usr/share/php/Composer/Semver/autoload.php';
$parser = new Composer\Semver\VersionParser();
while (($line = fgets(STDIN)) !== false) {
  [$a, $b] = explode("\t", rtrim($line, "\n"));
  try {
    echo version_compare($parser->normalize($a), $parser->normalize($b)), "\n";
  } catch (UnexpectedValueException $e) {
    echo "error\n";
  }
}`

const packagingScript = `
import sys
from pip._vendor.packaging.version import Version, InvalidVersion
for line in sys.stdin:
    try:
        a, b = map(Version, line.rstrip("\n").split("\t"))
        print((a > b) - (a < b))
    except InvalidVersion:
        print("error")`

const mavenScript = `
import org.apache.maven.artifact.versioning.ComparableVersion;
import java.io.*;
public class Order {
    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String[] v = line.split("\t", -1);
            System.out.println(Integer.signum(new ComparableVersion(v[0]).compareTo(new ComparableVersion(v[1]))));
        }
    }
}`

var qualifier = regexp.MustCompile(`\.([a-zA-Z])`)

// TestNative compares the orders with the ecosystems' own tools, on more than 10,000 pairs
// of versions that real advisories name.
func TestNative(t *testing.T) {
	semverDir, _ := filepath.Glob("/usr/*/node_modules/npm/node_modules/semver")
	if more, _ := filepath.Glob("/usr/*/lib/node_modules/npm/node_modules/semver"); len(semverDir) == 0 {
		semverDir = more
	}
	if len(semverDir) == 0 {
		semverDir = []string{"semver"}
	}
	tests := []native{
		{
			ecosystem: "SemVer", pools: []string{"Go", "crates.io", "Julia", "Bitnami"},
			suffixes: "-0 -rc.1 -rc.10 -alpha -alpha.beta -1 +build -rc.1+b",
			command:  []string{"node", "-e", nodeScript, semverDir[0]},
		}, {
			ecosystem: "RubyGems", pools: []string{"RubyGems"},
			suffixes: ".a .0 .1 .rc1 .pre -1 .beta.2 a1 .10",
			command:  []string{"ruby", "-e", gemScript},
		}, {
			ecosystem: "PyPI", pools: []string{"PyPI"},
			suffixes: "a1 b2 rc1 .post1 .dev3 +local.1 +local.10 .0 -1 rc1.dev2",
			command:  []string{"python3", "-c", packagingScript},
		}, {
			ecosystem: "Maven", pools: []string{"Maven"},
			suffixes: "-alpha-1 .RC2 -SNAPSHOT .Final -M3 -sp-1 .0 .1 -jre .v2020 -beta1",
			command:  []string{"java", "-cp", "/usr/share/java/maven-artifact-3.x.jar:/usr/share/java/commons-lang3.jar"},
			// Since 3.8.7 (MNG-7644) Maven reads 1.0.RC1 as 1.0-RC1. Its
			// specification still has the dot before the hyphen, and so have the
			// pairs of TestPairs, which earlier versions of Maven ordered.
			vague:   regexp.MustCompile(`(?i)\.(ga|final|release)[.-]`),
			rewrite: func(v string) string { return qualifier.ReplaceAllString(v, "-$1") },
		}, {
			ecosystem: "Composer", pools: []string{"Packagist"},
			suffixes: "-alpha1 -beta -beta2 -RC1 -patch1 -p2 -dev .1",
			command:  []string{"php", "-r", composerScript},
		},
	}
	for _, tt := range tests {
		t.Run(tt.ecosystem, func(t *testing.T) {
			if _, err := exec.LookPath(tt.command[0]); err != nil {
				testkit.Missing(t, "the order of %s: %v", tt.ecosystem, err)
			}
			if tt.ecosystem == "Maven" {
				tt.command = append(tt.command, writeFile(t, "Order.java", mavenScript))
			}
			pairs := tt.pairs(t, 12_000)
			cmd := exec.Command(tt.command[0], tt.command[1:]...)
			cmd.Stdin = strings.NewReader(strings.Join(pairs, "\n") + "\n")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				testkit.Missing(t, "the order of %s: %v: %s", tt.ecosystem, err, stderr.String())
			}
			answers := strings.Fields(string(out))
			if len(answers) != len(pairs) {
				t.Fatalf("%d answers to %d pairs", len(answers), len(pairs))
			}
			order, _ := version.For(tt.ecosystem)
			compare := order.Comparer()
			compared, refused, rewritten := 0, 0, 0
			for i, pair := range pairs {
				a, b, _ := strings.Cut(pair, "\t")
				if answers[i] == "error" {
					refused++
					continue
				}
				compared++
				got, err := compare(a, b)
				if tt.rewrite != nil && err == nil && fmt.Sprint(got) != answers[i] {
					rewritten++
					got, err = compare(tt.rewrite(a), tt.rewrite(b))
				}
				if err != nil || fmt.Sprint(got) != answers[i] {
					t.Errorf("%q and %q: %d, %v; %s says %s", a, b, got, err, tt.command[0], answers[i])
				}
			}
			t.Logf("%d pairs compared, %d refused, %d as the tool misreads them", compared, refused, rewritten)
			if compared < 10_000 || rewritten > 200 {
				t.Errorf("%d pairs compared, %d as the tool misreads them", compared, rewritten)
			}
		})
	}
}

// pairs makes n pairs. Half of them are a version and a variant of it, half are any two
// versions.
func (tt native) pairs(t *testing.T, n int) []string {
	seen := map[string]bool{}
	for _, pool := range tt.pools {
		for _, v := range versionsOf(t, pool) {
			seen[v] = true
		}
	}
	pool := slices.Sorted(maps.Keys(seen))
	vague := func(v string) bool { return tt.vague != nil && tt.vague.MatchString(v) }
	if len(pool) < 100 {
		t.Fatalf("only %d versions", len(pool))
	}
	rng := rand.New(rand.NewPCG(7, uint64(len(pool))))
	suffixes := strings.Fields(tt.suffixes)
	change := func(v string) string {
		switch rng.IntN(4) {
		case 0: // another number
			i := strings.LastIndexAny(v, "0123456789")
			return v[:i] + fmt.Sprint(rng.IntN(120)) + v[i+1:]
		case 1: // shorter
			if i := strings.LastIndexByte(v, '.'); i > 0 {
				return v[:i]
			}
			return v
		default:
			return v + suffixes[rng.IntN(len(suffixes))]
		}
	}
	var pairs []string
	for i := 0; len(pairs) < n; i++ {
		a, b := pool[rng.IntN(len(pool))], pool[rng.IntN(len(pool))]
		if i%2 == 0 {
			b = change(a)
			if i%4 == 0 {
				a = change(a)
			}
		}
		if tt.ecosystem == "SemVer" { // node takes three numbers and no fewer
			a, b = whole(a), whole(b)
		}
		if !vague(a) && !vague(b) {
			pairs = append(pairs, a+"\t"+b)
		}
	}
	return pairs
}

// writeFile writes a file that is removed after the test.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// whole fills up a version to three numbers.
func whole(v string) string {
	i := strings.IndexAny(v, "-+")
	if i < 0 {
		i = len(v)
	}
	return v[:i] + strings.Repeat(".0", max(0, 2-strings.Count(v[:i], "."))) + v[i:]
}

// versionsOf returns the versions that the advisories of a folder of osv/ name.
func versionsOf(t *testing.T, folder string) []string {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "osv", folder, "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var versions []string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var a advisory.Advisory
		if err := json.NewDecoder(r).Decode(&a); err != nil {
			t.Fatal(err)
		}
		for _, entry := range a.Affected {
			if eco, _, _ := strings.Cut(entry.Package.Ecosystem, ":"); eco != folder {
				continue
			}
			versions = append(versions, entry.Versions...)
			for _, r := range entry.Ranges {
				for _, e := range r.Events {
					if v := e.Introduced + e.Fixed + e.LastAffected; r.Type != advisory.Git && strings.ContainsAny(v, "123456789") {
						versions = append(versions, v)
					}
				}
			}
		}
	}
	return versions
}
