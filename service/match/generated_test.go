package match

import (
	"archive/zip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// TestGenerated checks every record of the test data, or every 20th if it is not to take
// minutes, at the edges of its ranges:
// the version where it is introduced is affected, the last before a fix and a
// last affected one are, and the fix is not. Where ranges of a record overlap,
// what the schema's own evaluation says is expected.
func TestGenerated(t *testing.T) {
	b, err := os.ReadFile(testkit.Path(t, "osv", "ecosystems.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for folder := range strings.Lines(string(b)) {
		folder = strings.TrimSpace(folder)
		t.Run(folder, func(t *testing.T) {
			z, err := zip.OpenReader(testkit.Path(t, "osv", folder, "all.zip"))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			run := newGenerated(t)
			for i, f := range z.File {
				if testkit.Thorough() || i%20 == 0 {
					run.check(readRecord(t, f))
				}
			}
			run.report()
			want := wanted[folder]
			if testkit.Thorough() && run.checks < want.checks {
				t.Errorf("%d checks, want %d", run.checks, want.checks)
			}
			run.hold(want.out)
		})
	}
}

// A want is how many checks a folder gives at least, and how many of its records
// may be kept out at most, by the reason.
type want struct {
	checks int
	out    map[string]int
}

const (
	outCommits   = "names no package, only commits"
	outNotice    = "no vulnerability but a notice"
	outNothing   = "has no versions, only commits or nothing"
	outSystem    = "not about Linux"
	outVersion   = "has an invalid version"
	outWithdrawn = "withdrawn"
	outEcosystem = "is of no ecosystem of the schema"
	outEmpty     = "affects nothing"
)

var wanted = map[string]want{
	"AlmaLinux":   {179_697, map[string]int{outNotice: 1197}},
	"Alpine":      {35_289, nil},
	"Azure Linux": {9573, nil},
	"Bitnami":     {58_933, map[string]int{outVersion: 1}},
	"CRAN":        {40, nil},
	"Debian":      {58_188, nil},
	"Go":          {19_597, map[string]int{outSystem: 26, outVersion: 2, outWithdrawn: 17}},
	"Hackage":     {128, nil},
	"Julia":       {5864, map[string]int{outWithdrawn: 4}},
	"Maven":       {2637, nil},
	"PSF-python":  {0, map[string]int{outCommits: 132}},
	"Packagist":   {16_917, nil},
	"PyPI":        {14_815, map[string]int{outNothing: 1, outWithdrawn: 9}},
	"RubyGems":    {5587, nil},
	"crates.io":   {3057, map[string]int{outNotice: 264, outSystem: 21, outWithdrawn: 13}},
}

// hold reports reasons for which more records were kept out than may be.
func (g *generated) hold(most map[string]int) {
	for reason, ids := range g.out {
		kind, _, _ := strings.Cut(reason, ": ")
		if len(ids) > most[kind] {
			g.t.Errorf("%d records kept out, %s: %v", len(ids), reason, ids[:min(len(ids), 10)])
		}
	}
}

// TestSamples checks the samples in the same way.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Path(t, "osv-samples"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	run := newGenerated(t)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		run.check(a)
	}
	run.report()
	if run.records < 150 || run.checks < 1650 {
		t.Errorf("%d records, %d checks", run.records, run.checks)
	}
	run.hold(map[string]int{outCommits: 4, outEcosystem: 3, outEmpty: 1, outNothing: 1, outNotice: 4, outSystem: 3, outWithdrawn: 12})
}

func readRecord(t *testing.T, f *zip.File) advisory.Advisory {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	a, err := advisory.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return a
}

// generated counts the checks of one folder.
type generated struct {
	t                   *testing.T
	records, checks     int
	fixes, starts, ends int
	below, noneBelow    int
	overlapping         int
	byEcosystem         map[string]int
	out                 map[string][]string // ids by reason
	questions           []question          // about the record at hand
}

// A question is whether a package is affected at a version.
type question struct {
	spot
	order   version.Order
	version string
	want    bool
}

func newGenerated(t *testing.T) *generated {
	return &generated{t: t, byEcosystem: make(map[string]int), out: make(map[string][]string)}
}

func (g *generated) keepOut(id, reason string) {
	if ids := g.out[reason]; len(ids) == 0 || ids[len(ids)-1] != id {
		g.out[reason] = append(ids, id)
	}
}

func (g *generated) report() {
	g.t.Logf("%d records, %d checks: %d at introduced, %d at fixed, %d below fixed (%d without a version there), %d at last affected; %d where ranges overlap",
		g.records, g.checks, g.starts, g.fixes, g.below, g.noneBelow, g.ends, g.overlapping)
	for _, e := range slices.Sorted(maps.Keys(g.byEcosystem)) {
		g.t.Logf("  %s: %d", e, g.byEcosystem[e])
	}
	for _, reason := range slices.Sorted(maps.Keys(g.out)) {
		g.t.Logf("  kept out: %d, %s: %.400s", len(g.out[reason]), reason, strings.Join(g.out[reason], " "))
	}
}

// A spot is one package of one ecosystem in one record, with all that the
// record says of it.
type spot struct {
	ecosystem, name string
	entries         []advisory.Affected
}

func spots(a advisory.Advisory) []spot {
	var all []spot
	for _, af := range a.Affected {
		af = index.Bounded(af) // see TestBounds
		i := slices.IndexFunc(all, func(p spot) bool { return p.ecosystem == af.Package.Ecosystem && p.name == af.Package.Name })
		if i < 0 {
			i = len(all)
			all = append(all, spot{ecosystem: af.Package.Ecosystem, name: af.Package.Name})
		}
		all[i].entries = append(all[i].entries, af)
	}
	return all
}

func (g *generated) check(a advisory.Advisory) {
	g.records++
	// Ubuntu Pro adds to Ubuntu, of which there must be something.
	var base advisory.Advisory
	for _, af := range a.Affected {
		if release, ok := strings.CutPrefix(af.Package.Ecosystem, "Ubuntu:Pro:"); ok {
			base.Affected = append(base.Affected, advisory.Affected{
				Package: advisory.Package{Ecosystem: "Ubuntu:" + release, Name: "other"}, Versions: []string{"1"},
			})
		}
	}
	ix := index.NewMemory([]advisory.Advisory{base, a}, nil)
	if len(a.Affected) == 0 {
		g.keepOut(a.ID, outEmpty)
	}
	for _, p := range spots(a) {
		g.checkSpot(a, p)
	}
	g.answer(a, ix)
}

func (g *generated) checkSpot(a advisory.Advisory, p spot) {
	if p.name == "" {
		g.keepOut(a.ID, outCommits)
		return
	}
	order, ok := version.For(orderOf(p.ecosystem))
	if !ok {
		g.keepOut(a.ID, outEcosystem+": "+p.ecosystem)
		return
	}
	var ranges, joined [][]advisory.Event
	var listed []string
	for _, af := range p.entries {
		for _, r := range rangesOf(af) {
			ranges = append(ranges, r.Events)
			joined = append(joined, joinRuns(r.Events))
		}
		listed = append(listed, af.Versions...)
	}
	if len(ranges)+len(listed) == 0 {
		g.keepOut(a.ID, outNothing)
		return
	}
	compare := order.Comparer()
	for _, events := range ranges {
		for _, e := range events {
			v := e.Introduced + e.Fixed + e.LastAffected + e.Limit
			if _, err := compare(v, v); v != "0" && err != nil {
				g.keepOut(a.ID, outVersion+": "+err.Error())
				return
			}
		}
	}
	var none string
	switch {
	case a.Withdrawn != nil:
		none = outWithdrawn
	case index.Describe(a).Notice:
		none = outNotice
	case !slices.ContainsFunc(p.entries, func(af advisory.Affected) bool { cause, _, _ := index.LeftOut(af); return cause != index.NotLinux }):
		none = outSystem
	}
	if none != "" {
		// It must be silent wherever else it would speak.
		g.keepOut(a.ID, none)
		for _, events := range ranges {
			for _, e := range events {
				if v := e.Introduced + e.LastAffected; v != "" {
					g.questions = append(g.questions, question{p, order, v, false})
				}
			}
		}
		return
	}
	schema := func(v string) bool {
		return slices.Contains(listed, v) || slices.ContainsFunc(joined, func(events []advisory.Event) bool { return bySchema(g.t, compare, v, events) })
	}
	ask := func(v string, want bool, count *int) {
		if !builds(p) && schema(v) != want {
			g.overlapping++
			want = !want
		}
		*count++
		g.checks++
		g.byEcosystem[p.ecosystem]++
		g.questions = append(g.questions, question{p, order, v, want})
	}
	for _, events := range ranges {
		for _, e := range events {
			switch {
			case e.Introduced != "":
				v := e.Introduced
				if v == "0" && slices.ContainsFunc(events, func(e advisory.Event) bool { return distro.ModuleBuild(e.Fixed) }) {
					v = "0-0.module_el8" // the first build of a module
				}
				ask(v, true, &g.starts)
			case e.LastAffected != "":
				ask(e.LastAffected, true, &g.ends)
			case e.Fixed != "":
				ask(e.Fixed, false, &g.fixes)
				if v, ok := below(compare, p.ecosystem, e.Fixed, startOf(compare, events, e.Fixed)); ok {
					ask(v, true, &g.below)
				} else {
					g.noneBelow++
				}
			}
		}
	}
	if len(ranges) == 0 {
		for _, v := range listed {
			ask(v, true, &g.ends)
		}
	}
}

// builds reports whether a record lists one package several times with the fix
// of another build each. There the schema's evaluation would have the fix of one
// build affected, since another is newer.
func builds(p spot) bool {
	if len(p.entries) == 1 {
		return false
	}
	switch ecosystem, _, _ := strings.Cut(p.ecosystem, ":"); ecosystem {
	case "AlmaLinux", "Rocky Linux", "Red Hat":
		return true
	}
	return false
}

// orderOf is the order by which Match compares an ecosystem.
func orderOf(ecosystem string) string {
	if ecosystem == "Packagist" {
		return "Composer"
	}
	return ecosystem
}

// rangesOf returns the ranges that count, those of commits left out, and those
// of Go's tags in spot of a range without an end.
func rangesOf(af advisory.Affected) []advisory.Range {
	ranges := slices.DeleteFunc(slices.Clone(af.Ranges), func(r advisory.Range) bool { return r.Type == advisory.Git })
	var specific struct {
		CustomRanges []advisory.Range `json:"custom_ranges"`
	}
	_ = json.Unmarshal(af.EcosystemSpecific, &specific) // other forms have none
	if own := specific.CustomRanges; len(own) > 0 && len(ranges) == 1 && len(ranges[0].Events) == 1 {
		start := ranges[0].Events[0]
		ranges = nil
		for _, r := range own {
			r.Events = slices.Clone(r.Events)
			for i, e := range r.Events {
				if e.Introduced == "0" {
					r.Events[i] = start
				}
			}
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// joinRuns leaves out the fix that is at once the beginning of the next run, of
// which the schema does not say how they are sorted: what lies on both sides is
// affected.
func joinRuns(events []advisory.Event) []advisory.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e advisory.Event) bool {
		v := e.Introduced + e.Fixed
		return v != "" && slices.ContainsFunc(events, func(o advisory.Event) bool {
			return o.Introduced == v && e.Introduced == "" || o.Fixed == v && e.Fixed == ""
		}) &&
			slices.ContainsFunc(events, func(o advisory.Event) bool { return o.Introduced != "" && o.Introduced != v })
	})
}

// startOf returns the newest introduced event that is not newer than a version.
func startOf(compare version.Compare, events []advisory.Event, v string) string {
	start := "0"
	for _, e := range events {
		if e.Introduced == "" || e.Introduced == "0" {
			continue
		}
		if c, err := compare(e.Introduced, v); err != nil || c > 0 {
			continue
		}
		if c, err := compare(e.Introduced, start); start == "0" || err == nil && c > 0 {
			start = e.Introduced
		}
	}
	return start
}

// below returns a version just below v, and not below start.
func below(compare version.Compare, ecosystem, v, start string) (string, bool) {
	var candidates []string
	add := func(c ...string) { candidates = append(candidates, c...) }
	name, rest, _ := strings.Cut(ecosystem, ":")
	if name == "Root" || name == "Seal" {
		name, _, _ = strings.Cut(rest, ":")
	}
	base, build, _ := strings.Cut(v, "+")
	switch name {
	case "Debian", "Ubuntu", "AlmaLinux", "Rocky Linux", "Red Hat", "Azure Linux":
		add(v + "~")
	case "PyPI":
		add(base + ".dev0")
	case "RubyGems":
		add(v+".a", v+".A")
	case "Maven":
		add(v+"-SNAPSHOT", v+"-alpha-1")
	case "Packagist":
		add(v+"-dev", v+"-alpha1")
	case "Bitnami":
		add(base + "-alpha")
	default:
		add(base+"-0", base+"-a")
	}
	if build != "" {
		add(base)
	}
	add(lessLast(base), lessLast(v))
	if i := strings.LastIndexAny(base, ".-"); i > 0 {
		add(base[:i])
	}
	best := ""
	for _, c := range candidates {
		if d, err := compare(c, v); c == "" || err != nil || d >= 0 {
			continue
		}
		if start != "0" {
			if d, err := compare(c, start); err != nil || d < 0 {
				continue
			}
		}
		if d, err := compare(c, best); best == "" || err == nil && d > 0 {
			best = c
		}
	}
	return best, best != ""
}

// lessLast returns a version with its last number less by one.
func lessLast(v string) string {
	end := strings.LastIndexAny(v, "0123456789") + 1
	begin := end
	for begin > 0 && v[begin-1] >= '0' && v[begin-1] <= '9' {
		begin--
	}
	n, err := strconv.ParseUint(v[begin:end], 10, 64)
	if err != nil || n == 0 {
		return ""
	}
	return v[:begin] + strconv.FormatUint(n-1, 10) + v[end:]
}

// answer asks Match about all questions of one record, together for each
// ecosystem; where no inventory can have it, the entries themselves.
func (g *generated) answer(a advisory.Advisory, ix Index) {
	g.t.Helper()
	inventories := make(map[string]inventory.Inventory)
	for _, q := range g.questions {
		if one, ok := installedIn(q.ecosystem, q.name, q.version); ok {
			inv := inventories[q.ecosystem]
			inv.System, inv.Packages = one.System, append(inv.Packages, one.Packages...)
			inventories[q.ecosystem] = inv
			continue
		}
		got := slices.ContainsFunc(index.Entries(a, nil), func(e index.Entry) bool {
			out, err := evaluateEntry(q.order.Comparer(), q.version, e.Affected)
			return e.Ecosystem == q.ecosystem && e.Name == index.NormalName(q.ecosystem, q.name) && err == nil && out.affected
		})
		g.hear(a, q, got)
	}
	type at struct{ ecosystem, name, version string }
	found := make(map[at]bool)
	for ecosystem, inv := range inventories {
		res, err := Inventory(inv, ix, nil, time.Unix(0, 0))
		if err != nil {
			g.t.Fatal(err)
		}
		for _, u := range res.NotEvaluated {
			if !strings.HasPrefix(u.Reason, "this service has no advisories ") {
				g.t.Errorf("%s: %s: %s", a.ID, ecosystem, u.Reason)
			}
		}
		for _, f := range res.Findings {
			if slices.Contains(f.Advisories, a.ID) {
				found[at{ecosystem, f.Package.Name, f.Package.Version}] = true
			}
		}
	}
	for _, q := range g.questions {
		if _, ok := inventories[q.ecosystem]; ok {
			g.hear(a, q, found[at{q.ecosystem, q.name, q.version}])
		}
	}
	g.questions = g.questions[:0]
}

func (g *generated) hear(a advisory.Advisory, q question, got bool) {
	g.t.Helper()
	if got != q.want {
		g.t.Errorf("%s: %s %s %s: affected %v, want %v", a.ID, q.ecosystem, q.name, q.version, got, q.want)
	}
}

// installedIn is an inventory with one package of an ecosystem.
func installedIn(ecosystem, name, v string) (inventory.Inventory, bool) {
	family, release, _ := strings.Cut(ecosystem, ":")
	one := func(typ string, s inventory.System) (inventory.Inventory, bool) {
		p := inventory.Package{Type: typ, Name: name, Version: v}
		if typ == distro.Deb || typ == distro.Apk || typ == distro.RPM {
			p.Source, p.SourceVersion = name, v
		}
		return inventory.Inventory{System: s, Packages: []inventory.Package{p}}, true
	}
	number, _, _ := strings.Cut(release, ":")
	switch family {
	case "Debian":
		return one(distro.Deb, inventory.System{ID: "debian", VersionID: release})
	case "Ubuntu":
		pro := false
		if number == "Pro" {
			pro = true
			number, _, _ = strings.Cut(strings.TrimPrefix(release, "Pro:"), ":")
		}
		inv, _ := one(distro.Deb, inventory.System{ID: "ubuntu", VersionID: number})
		if pro {
			inv.Packages = append(inv.Packages, inventory.Package{Type: distro.Deb, Name: "subscribed", Version: "1+esm1"})
		}
		return inv, true
	case "Alpine":
		return one(distro.Apk, inventory.System{ID: "alpine", VersionID: strings.TrimPrefix(release, "v") + ".1"})
	case "Chainguard":
		return one(distro.Apk, inventory.System{ID: "chainguard"})
	case "Wolfi":
		return one(distro.Apk, inventory.System{ID: "wolfi"})
	case "AlmaLinux":
		return one(distro.RPM, inventory.System{ID: "almalinux", VersionID: release + ".4"})
	case "Rocky Linux":
		return one(distro.RPM, inventory.System{ID: "rocky", VersionID: release})
	case "Azure Linux":
		id := map[string]string{"1": "mariner", "2": "mariner"}[release]
		if id == "" {
			id = "azurelinux"
		}
		return one(distro.RPM, inventory.System{ID: id, VersionID: release + ".0"})
	case "Red Hat":
		return one(distro.RPM, inventory.System{ID: "rhel", VersionID: "8.6", CPE: "cpe:/o:redhat:" + release})
	}
	for typ, e := range map[string]string{
		"bitnami": "Bitnami", "cargo": "crates.io", "composer": "Packagist", "cran": "CRAN", "gem": "RubyGems", "golang": "Go", "hackage": "Hackage",
		"hex": "Hex", "julia": "Julia", "maven": "Maven", "npm": "npm", "nuget": "NuGet", "pub": "Pub", "pypi": "PyPI", "swift": "SwiftURL",
	} {
		if e == ecosystem || "Root:"+e == ecosystem {
			return one(typ, inventory.System{})
		}
	}
	return inventory.Inventory{}, false
}
