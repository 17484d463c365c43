package builders

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/verdict"
)

// TestBuilders builds what people paste with real builders. All parts share one rig,
// because starting the engines takes longer than most builds. Without "make test-long" or
// "make test-builders" only Dockerfile.example is built.
func TestBuilders(t *testing.T) {
	r := newRig(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *rig)
	}{
		{"fresh", testFresh}, // first: it wants caches that have not seen its steps
		{"kaniko", testKaniko},
		{"volume", testVolume},
		{"mounts", testMounts},
		{"example", testExample},
		{"patterns", testMatrix},
		{"residue", testResidue},
		{"traces", testTraces},
	} {
		t.Run(part.name, func(t *testing.T) {
			if part.name != "example" {
				testkit.Long(t)
			}
			part.test(t, r)
		})
	}
}

// testExample builds the lines of Dockerfile.example, and variants of them for unusual
// images.
func testExample(t *testing.T, r *rig) {
	argument := map[string]string{"token": r.token}
	for _, b := range r.builders[:2] {
		t.Run(b.name(), func(t *testing.T) {
			t.Run("vulnerable", func(t *testing.T) {
				got := b.build(t, job{dockerfile: r.classic(t), args: argument})
				wantFindings(t, b, got)
				sameFindings(t, r.verdict(t, r.service.URL, got.log), r.want)
				t.Logf("the last ten lines:\n%s", last(b.step(got.log), 10))
			})
			t.Run("non-root user", func(t *testing.T) {
				form := replaced(t, r.classic(t), "ARG token", "USER nobody\nARG token")
				got := b.build(t, job{dockerfile: form, args: argument})
				wantFindings(t, b, got)
				sameFindings(t, r.verdict(t, r.service.URL, got.log), r.want)
			})
			t.Run("scratch", func(t *testing.T) {
				got := b.build(t, job{dockerfile: fmt.Sprintf(`FROM %s AS assay
ADD %s/assay /
RUN chmod +x /assay
FROM scratch
COPY --from=assay /assay /
ARG ASSAY_TOKEN
RUN ["/assay"]
`, base, r.service.URL), args: map[string]string{"ASSAY_TOKEN": r.token}})
				wantFailed(t, b, got, 5)
				v := r.verdict(t, r.service.URL, got.log)
				if v.Decision.Outcome != verdict.Untrusted || v.Decision.Reasons[0].Rule != "nothing-recognised" {
					t.Errorf("decision %+v", v.Decision)
				}
				if tail := last(b.step(got.log), 10); !strings.Contains(tail, v.Decision.Reasons[0].Text) {
					t.Errorf("the reason %q is not in the last lines:\n%s", v.Decision.Reasons[0].Text, tail)
				}
			})
		})
	}
	t.Run("patched", func(t *testing.T) {
		b := r.builders[1]
		log := mustBuild(t, b, job{dockerfile: r.patched(t), args: argument, tag: "upgraded"})
		v := r.verdict(t, r.service.URL, log)
		if v.Decision.Outcome != verdict.Pass || v.Counts.Failing != 0 {
			t.Errorf("outcome %s, %d failing", v.Decision.Outcome, v.Counts.Failing)
		}
		sameFindings(t, v, expected(t, r.copyOut(t, "upgraded", "/var/lib/dpkg"), r.records))
	})
	t.Run("secret", func(t *testing.T) {
		b := r.builders[1]
		got := b.build(t, job{dockerfile: r.secretForm(t), secret: r.secret})
		wantFindings(t, b, got)
		sameFindings(t, r.verdict(t, r.service.URL, got.log), r.want)
	})
	t.Run("read-only root", func(t *testing.T) {
		got := run(t, r.env, nil, r.docker.client, "run", "--rm", "--read-only", "--network", "host",
			"-v", r.client(t)+":/assay:ro", base, "/assay", r.token)
		if got.code != 4 {
			t.Fatalf("exit code %d\n%s", got.code, got.log)
		}
		sameFindings(t, r.verdict(t, r.service.URL, got.log), r.want)
	})
	t.Run("no proc", func(t *testing.T) {
		script := `mount --bind "$1" "$2/mnt" && [ ! -e "$2/proc/self" ] && exec chroot "$2" /mnt/assay "$3"`
		got := run(t, r.env, nil, "unshare", "--mount", "sh", "-c", script, "sh",
			filepath.Dir(r.client(t)), r.root, r.token)
		if got.code != 4 {
			t.Fatalf("exit code %d\n%s", got.code, got.log)
		}
		sameFindings(t, r.verdict(t, r.service.URL, got.log), r.want)
	})
}
