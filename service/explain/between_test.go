package explain_test

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/explain"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// TestBetween checks that each difference between findings has its cause.
func TestBetween(t *testing.T) {
	kept := func(id string, inv inventory.Inventory, seq int64, options ...cyclonedx.Option) explain.Kept {
		t.Helper()
		snapshot := "s" + id[:1]
		if seq == scanSeq {
			snapshot = "s1"
		}
		v, err := scan.Evaluator{}.Answer(cyclonedx.Scan{Inventory: inv, Options: options}, data.index(t, seq), nil,
			verdict.Data{Snapshot: snapshot, Records: int(seq), Updated: scanned}, scanned)
		if err != nil {
			t.Fatal(err)
		}
		return explain.Kept{Scan: store.Scan{ID: id, Seq: seq}, Inventory: inv, Verdict: v.Whole()}
	}
	upgraded := image
	upgraded.Packages = append([]inventory.Package{}, image.Packages...)
	upgraded.Packages[0].Version, upgraded.Packages[0].SourceVersion = "6-1", "6-1"
	upgraded.Packages = upgraded.Packages[:3] // without zlib1g

	base := kept("base", image, scanSeq)
	for _, tt := range []struct {
		name  string
		after explain.Kept
		want  []string // lines
		not   string
	}{
		{"nothing", kept("again", image, scanSeq), []string{
			"scans base and again have the same decision and the same findings", "data: the same", "policy: the same", "packages: the same",
		}, "->"},
		{"data", kept("newer", image, 1000), []string{
			"scans base and newer differ; findings: 2 by other data",
			"data: snapshot: s1 -> sn", "data: records: 20 -> 1000", "policy: the same", "packages: the same",
			"only now: CVE-2024-1010 in bash 5.2.15-2+b13: unrated, fix 6, fails",
			"only before: CVE-2024-1000 in libc6 2.36-9: unrated, fix 2.36-10, fails",
		}, "by other packages"},
		{"packages", kept("upgraded", upgraded, scanSeq), []string{
			"scans base and upgraded differ; findings: 1 by other packages", "data: the same", "policy: the same",
			"packages: deb bash: 5.2.15-2+b13 -> 6-1", "packages: deb zlib1g: 1:1.2.13 -> none",
			"only before: CVE-2024-1002 in bash 5.2.15-2+b13: unrated, fix 6, fails",
		}, "by other data"},
		{"policy", kept("lax", image, scanSeq, cyclonedx.Option{Name: "unrated", Value: "low", Origin: "flag"}), []string{
			"scans base and lax differ; findings: 1 by another policy", "data: the same", "packages: the same",
			"changed: CVE-2024-1002 in bash 5.2.15-2+b13: fails: true -> false, rule: severity -> below-threshold",
		}, "by other data"},
		{"the kernel", kept("lists", image, scanSeq, cyclonedx.Option{Name: "kernel", Value: "true", Origin: "flag"}), []string{
			"scans base and lists differ; findings: 1 by another policy", "data: the same", "packages: the same",
			"only now: CVE-2024-1003 in linux-libc-dev 6.1.1-1: unrated, fix 7, fails",
		}, "by other data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := explain.Compare(base, tt.after).WriteText(&b); err != nil {
				t.Fatal(err)
			}
			for _, line := range tt.want {
				if !strings.Contains("\n"+b.String(), "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, &b)
				}
			}
			if strings.Contains(b.String(), tt.not) {
				t.Errorf("unexpected %q in\n%s", tt.not, &b)
			}
		})
	}
}
