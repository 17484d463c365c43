package osvapi_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/osv-scalibr/semantic"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/index"
	"assay/service/match"
	"assay/service/version"
)

// A record is an OSV record as far as its evaluation needs it.
type record struct {
	ID        string
	Withdrawn string
	Affected  []json.RawMessage
	entries   []entry
}

type entry struct {
	Package  struct{ Ecosystem, Name string }
	Versions []string
	Ranges   []struct {
		Type   string
		Events []map[string]string
	}
}

// affects evaluates a record as the OSV schema says (https://ossf.github.io/osv-schema/#evaluation),
// with the version orders of osv-scalibr. It returns the entries that affect a version of a
// package.
func (r record) affects(ecosystem, name, version string) (by []int) {
	for i, e := range r.entries {
		if r.Withdrawn == "" && e.Package.Ecosystem == ecosystem && index.NormalName(ecosystem, e.Package.Name) == index.NormalName(ecosystem, name) && e.affects(version) {
			by = append(by, i)
		}
	}
	return by
}

func (e entry) affects(version string) bool {
	if slices.Contains(e.Versions, version) {
		return true
	}
	for _, r := range e.Ranges {
		if r.Type != "GIT" && e.inRange(version, r.Events) {
			return true
		}
	}
	return false
}

func (e entry) inRange(version string, events []map[string]string) bool {
	family, _, _ := strings.Cut(e.Package.Ecosystem, ":")
	parsed, err := semantic.Parse(version, family)
	if err != nil {
		return false
	}
	cmp := func(event map[string]string) int {
		for _, v := range event {
			if v == "0" {
				return 1
			}
			c, err := parsed.CompareStr(v)
			if err != nil {
				return -1
			}
			return c
		}
		return -1
	}
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b map[string]string) int {
		for _, v := range b {
			for _, u := range a {
				if u == "0" || v == "0" {
					return map[bool]int{true: -1, false: 1}[u == "0"]
				}
				if p, err := semantic.Parse(u, family); err == nil {
					c, _ := p.CompareStr(v)
					return c
				}
			}
		}
		return 0
	})
	vulnerable := false
	for _, event := range sorted {
		switch c := cmp(event); {
		case event["introduced"] != "" && c >= 0:
			vulnerable = true
		case event["fixed"] != "" && c >= 0, event["last_affected"] != "" && c > 0:
			vulnerable = false
		}
	}
	return vulnerable
}

// special reports whether assay evaluates an entry by more than the schema, on purpose.
func special(t *testing.T, raw json.RawMessage) bool {
	var af advisory.Affected
	if err := json.Unmarshal(raw, &af); err != nil {
		t.Fatal(err)
	}
	_, _, leftOut := index.LeftOut(af) // about other systems
	bounded := fmt.Sprint(index.Bounded(af).Ranges) != fmt.Sprint(af.Ranges)
	return leftOut || bounded || strings.Contains(string(raw), `"custom_ranges"`)
}

// TestRules compares the answers for packages of popular images with an evaluation that
// shares no code with the matcher, and with what scans find in the same packages.
func TestRules(t *testing.T) {
	var all []advisory.Advisory
	about := make(map[index.Key][]record)
	for _, folder := range []string{"Alpine", "Debian", "Go", "Maven", "Packagist", "PyPI", "RubyGems", "crates.io"} {
		n := 0
		for r, err := range load.Open(testkit.Path(t, "osv", folder)).Records() {
			if err != nil {
				t.Fatal(err)
			}
			if n++; folder == "Debian" && n%testkit.Some(4, 1) != 0 {
				continue
			}
			a, err := advisory.Parse(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			a.Source = "osv"
			all = append(all, a)
			var rec record
			if err := json.Unmarshal(r.Body, &rec); err != nil {
				t.Fatal(err)
			}
			keys := make(map[index.Key]bool)
			for _, raw := range rec.Affected {
				var e entry
				if err := json.Unmarshal(raw, &e); err != nil {
					t.Fatal(err)
				}
				rec.entries = append(rec.entries, e)
				keys[index.KeyOf(e.Package.Ecosystem, e.Package.Name)] = true
			}
			for key := range keys {
				about[key] = append(about[key], rec)
			}
		}
	}
	ix := index.NewMemory(all, nil)
	find, err := match.NewQueries(ix)
	if err != nil {
		t.Fatal(err)
	}
	compared, affected, differences := map[string]int{}, 0, map[string]int{}
	for _, p := range packages(t, about) {
		ids := records(t, find, p.ecosystem, p.pkg.Name, p.pkg.Version)
		compared[p.ecosystem]++
		affected += min(1, len(ids))
		scanned(t, ix, p, ids)
		if order, _ := match.VersionOrder(p.pkg.Type); incomparable(order.Comparer(), p.pkg.Version) {
			if len(ids) != len(about[index.KeyOf(p.ecosystem, p.pkg.Name)]) {
				t.Errorf("%s %s %s: not every record is in %v", p.ecosystem, p.pkg.Name, p.pkg.Version, ids)
			}
			continue
		}
		want := map[string]bool{}
		explained := map[string]bool{}
		for _, r := range about[index.KeyOf(p.ecosystem, p.pkg.Name)] {
			by := r.affects(p.ecosystem, p.pkg.Name, p.pkg.Version)
			want[r.ID] = len(by) > 0
			for i := range r.entries {
				explained[r.ID] = explained[r.ID] || special(t, r.Affected[i])
			}
		}
		for id, wanted := range want {
			if wanted == slices.Contains(ids, id) {
				continue
			}
			if !explained[id] {
				t.Errorf("%s %s %s: %s: the schema's evaluation says %v", p.ecosystem, p.pkg.Name, p.pkg.Version, id, wanted)
			}
			differences[p.ecosystem]++
		}
	}
	t.Logf("%v packages, %d affected, explained differences: %v", compared, affected, differences)
	for _, e := range []string{"Alpine:v3.11", "Debian:12", "Go", "Maven", "Packagist", "PyPI", "RubyGems"} {
		if compared[e] < 5 {
			t.Errorf("only %d packages of %s were compared", compared[e], e)
		}
	}
	if affected < 200 {
		t.Errorf("only %d packages are affected", affected)
	}
}

func incomparable(compare version.Compare, v string) bool {
	_, err := compare(v, v)
	return err != nil
}

func records(t *testing.T, find *match.Queries, ecosystem, name, version string) (ids []string) {
	t.Helper()
	found, err := find.Records(match.Query{Ecosystem: ecosystem, Package: inventory.Package{Name: name, Version: version}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return ids
}

// scanned compares the records with the advisories of the findings of a scan of the package.
// A scan drops records that another one of the vulnerability overrules, and notices.
func scanned(t *testing.T, ix *index.Memory, p queried, ids []string) {
	t.Helper()
	inv := inventory.Inventory{Packages: []inventory.Package{p.pkg}, System: p.system}
	res, err := match.Inventory(inv, ix, nil, today)
	if err != nil {
		t.Fatal(err)
	}
	if res.Evaluated != 1 && len(res.NotEvaluated) == 1 && res.NotEvaluated[0].Cause == match.CauseVersion && len(ids) > 0 {
		return // the version cannot be compared, so every record is in the answer
	}
	if res.Evaluated != 1 {
		t.Fatalf("%s %s: %+v", p.ecosystem, p.pkg.Name, res.NotEvaluated)
	}
	found := map[string]bool{}
	for _, f := range res.Findings {
		for _, a := range f.Advisories {
			found[a] = true
			if !slices.Contains(ids, a) {
				t.Errorf("%s %s %s: a scan finds %s by %s, which is no record of the answer %v", p.ecosystem, p.pkg.Name, p.pkg.Version, f.ID, a, ids)
			}
		}
	}
	for _, id := range ids {
		vs, err := ix.Vulnerabilities(id)
		if err != nil {
			t.Fatal(err)
		}
		erratum := strings.HasPrefix(id, "DSA-") || strings.HasPrefix(id, "DLA-")
		if !found[id] && !vs[0].Notice && !erratum {
			t.Errorf("%s %s %s: %s is a record of the answer, and of no finding", p.ecosystem, p.pkg.Name, p.pkg.Version, id)
		}
	}
}

type queried struct {
	ecosystem string
	pkg       inventory.Package
	system    inventory.System
}

// packages returns packages of popular images that records are about.
func packages(t *testing.T, about map[index.Key][]record) []queried {
	t.Helper()
	file, err := os.Open(testkit.Path(t, "inventories", "popular.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 64<<20)
	found, count := map[string]queried{}, map[string]int{}
	for lines.Scan() {
		var image struct{ PURLs []string }
		if err := json.Unmarshal(lines.Bytes(), &image); err != nil {
			t.Fatal(err)
		}
		for _, text := range image.PURLs {
			var u purl.PURL
			if _, ok := found[text]; ok || u.Parse(text) != nil || u.Version == "" {
				continue
			}
			q := queried{pkg: u.Package()}
			switch u.Type {
			case "deb", "apk":
				q.system = inventory.System{ID: map[string]string{"deb": "debian", "apk": "alpine"}[u.Type], VersionID: map[string]string{"deb": "12", "apk": "3.11.5"}[u.Type]}
				q.ecosystem = map[string]string{"deb": "Debian:12", "apk": "Alpine:v3.11"}[u.Type]
				// The packages of older releases too: any version will do.
				q.pkg.Name, q.pkg.Version = q.pkg.Source, q.pkg.SourceVersion
				q.pkg.Vendor = ""
			default:
				q.ecosystem, _ = match.EcosystemOf(q.pkg.Type)
			}
			if len(about[index.KeyOf(q.ecosystem, q.pkg.Name)]) == 0 || count[q.ecosystem] >= 150 {
				continue
			}
			count[q.ecosystem]++
			found[text] = q
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	var list []queried
	for _, text := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[text])
	}
	return list
}
