package explain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// A Kept is a stored scan, decoded.
type Kept struct {
	Scan      store.Scan
	Inventory inventory.Inventory
	Verdict   verdict.Verdict
}

// A Between says why two scans have different verdicts: different data, packages or policy.
type Between struct {
	Before string `json:"before"` // id of the scan
	After  string `json:"after"`
	// Data, Packages and Policy are the differences in what the scans were decided by.
	Data     []scan.Change   `json:"data,omitempty"`
	Packages []PackageChange `json:"packages,omitempty"`
	Policy   []scan.Change   `json:"policy,omitempty"`
	// Difference is the difference of the verdicts.
	Difference scan.Difference `json:"difference"`
	// Causes counts the different findings by cause: "packages", "policy" or "data".
	Causes map[string]int `json:"causes,omitempty"`
}

// A PackageChange is a package that only one of the scans has, or that they have in
// different versions.
type PackageChange struct {
	Type   string   `json:"type"`
	Name   string   `json:"name"`
	Before []string `json:"before,omitempty"` // versions
	After  []string `json:"after,omitempty"`
}

// The causes of a difference.
const (
	CausePackages = "packages"
	CausePolicy   = "policy"
	CauseData     = "data"
)

// Compare returns why the verdict of after differs from that of before.
func Compare(before, after Kept) Between {
	b := Between{
		Before: before.Scan.ID, After: after.Scan.ID,
		Difference: scan.Compare(before.Verdict, after.Verdict),
		Causes:     map[string]int{},
	}
	if x, y := before.Verdict.Data, after.Verdict.Data; x.Snapshot != y.Snapshot {
		b.Data = []scan.Change{{Name: "snapshot", Before: x.Snapshot, After: y.Snapshot}}
		if x.Records != y.Records {
			b.Data = append(b.Data, scan.Change{Name: "records", Before: fmt.Sprint(x.Records), After: fmt.Sprint(y.Records)})
		}
	}
	b.Policy = scan.ComparePolicy(before.Verdict, after.Verdict)
	versions := func(inv inventory.Inventory) map[[2]string][]string {
		all := map[[2]string][]string{}
		for _, p := range inv.Packages {
			key := [2]string{p.Type, p.Name}
			all[key] = append(all[key], p.Version)
		}
		for key, list := range all {
			slices.Sort(list)
			all[key] = slices.Compact(list)
		}
		return all
	}
	old, now := versions(before.Inventory), versions(after.Inventory)
	for key := range now {
		if !slices.Equal(old[key], now[key]) {
			b.Packages = append(b.Packages, PackageChange{key[0], key[1], old[key], now[key]})
		}
	}
	for key := range old {
		if len(now[key]) == 0 {
			b.Packages = append(b.Packages, PackageChange{key[0], key[1], old[key], nil})
		}
	}
	slices.SortFunc(b.Packages, func(x, y PackageChange) int {
		return cmp.Or(strings.Compare(x.Type, y.Type), strings.Compare(x.Name, y.Name))
	})
	has := func(versions map[[2]string][]string, p verdict.Package) bool {
		_, ok := slices.BinarySearch(versions[[2]string{p.Type, p.Name}], p.Version)
		return ok
	}
	// Whether kernel findings are listed depends on the policy only.
	cause := CauseData
	if len(b.Data) == 0 && len(b.Policy) > 0 {
		cause = CausePolicy
	}
	for _, f := range b.Difference.Added {
		b.count(cause, has(old, f.Package))
	}
	for _, f := range b.Difference.Removed {
		b.count(cause, has(now, f.Package))
	}
	for _, c := range b.Difference.Changed {
		// Whether a finding fails depends on the policy, and everything else in it on the data.
		data := slices.ContainsFunc(c.Changes, func(c scan.Change) bool { return c.Name != "fails" && c.Name != "rule" })
		if data || len(b.Policy) == 0 {
			b.count(CauseData, true)
		} else {
			b.count(CausePolicy, true)
		}
	}
	return b
}

// count counts a finding by its cause, which is CausePackages if the other scan does not
// have the package.
func (b *Between) count(cause string, has bool) {
	if !has {
		cause = CausePackages
	}
	b.Causes[cause]++
}

// maxChanges bounds the packages that WriteText lists.
const maxChanges = 50

// WriteText writes the difference for people.
func (b Between) WriteText(w io.Writer) error {
	t := &text{}
	head := "scans " + verdict.Clean(b.Before) + " and " + verdict.Clean(b.After)
	if b.Difference.Empty() {
		t.line(0, head+" have the same decision and the same findings")
	} else {
		var causes []string
		for _, c := range []struct{ name, text string }{
			{CauseData, "other data"}, {CausePackages, "other packages"}, {CausePolicy, "another policy"},
		} {
			if n := b.Causes[c.name]; n > 0 {
				causes = append(causes, fmt.Sprintf("%d by %s", n, c.text))
			}
		}
		t.line(0, head+" differ; findings: "+cmp.Or(strings.Join(causes, ", "), "none"))
	}
	t.changes("data", b.Data)
	t.changes("policy", b.Policy)
	if len(b.Packages) == 0 {
		t.line(0, "packages: the same")
	}
	for i, p := range b.Packages {
		if i == maxChanges {
			t.line(0, fmt.Sprintf("packages: %d more", len(b.Packages)-i))
			break
		}
		t.line(0, fmt.Sprintf("packages: %s %s: %s -> %s", verdict.Clean(p.Type), verdict.Clean(p.Name),
			cmp.Or(cleanAll(p.Before), "none"), cmp.Or(cleanAll(p.After), "none")))
	}
	if _, err := io.WriteString(w, t.b.String()); err != nil {
		return err
	}
	d := b.Difference // the policy has been written already
	d.Changes = slices.DeleteFunc(slices.Clone(d.Changes), func(c scan.Change) bool { return c.Name == "options" })
	return d.WriteText(w)
}

func (t *text) changes(title string, list []scan.Change) {
	if len(list) == 0 {
		t.line(0, title+": the same")
	}
	for _, c := range list {
		t.line(0, title+": "+verdict.Clean(c.Name)+": "+verdict.Clean(c.Before)+" -> "+verdict.Clean(c.After))
	}
}
