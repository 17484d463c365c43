package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"assay/inspect/inventory"
	"assay/inspect/mount"
	"assay/inspect/process"
	"assay/remote"
	"assay/remote/cert"
	"assay/remote/cyclonedx"
	"assay/remote/slot"
	"assay/verdict"
)

// A diagnosis is the output of assay doctor: one line for each check.
type diagnosis struct {
	w          io.Writer
	seen, bads int
	code       int // of the first failed check
}

func (d *diagnosis) ok(name, format string, args ...any)   { d.line("ok", name, format, args...) }
func (d *diagnosis) note(name, format string, args ...any) { d.line("note", name, format, args...) }

func (d *diagnosis) line(state, name, format string, args ...any) {
	d.seen++
	fmt.Fprintf(d.w, "%-4s %-9s %s\n", state, name, verdict.Clean(fmt.Sprintf(format, args...)))
}

// bad prints an error with its hint, and notes the exit code of a scan with that error.
func (d *diagnosis) bad(name string, err error) {
	code, hint := classify(err)
	d.badWith(code, name, err.Error(), hint)
}

func (d *diagnosis) badWith(code int, name, text, hint string) {
	d.line("bad", name, "%s", text)
	fmt.Fprintf(d.w, "     hint: %s\n", verdict.Clean(hint))
	d.bads++
	d.code = cmp.Or(d.code, code)
}

// doctor is the action of assay doctor. It shows what a scan with the same flags would read
// and use, and what is wrong with it. It ends with the exit code of that scan.
func (r *run) doctor(c *ucli.Context) error {
	if err := checkWord(c); err != nil {
		return err
	}
	d := &diagnosis{w: r.env.Stdout}
	if p, err := slot.Read(); err == nil && p.Server == "" {
		d.note("slot", "empty: this binary was not served by assayd")
	} else if err == nil {
		certs, _ := cert.Parse([]byte(p.CA)) // an empty CA is valid, and the scan reports a damaged one
		d.ok("slot", "%s, %d certificates, fresh %s", p.Server, len(certs), cmp.Or(p.Fresh, "for ever"))
	}
	s, err := r.settings(c)
	for _, n := range s.notes {
		d.note("ignored", "%s", n)
	}
	if err != nil {
		d.bad("settings", err)
	} else {
		d.ok("server", "%s, from %s", s.server, s.serverFrom)
	}
	secret, err := findToken(c, r.env.LookupEnv, readTokenFile)
	if err != nil {
		d.bad("token", err)
	} else {
		d.ok("token", "well formed, from %s", secret.from)
		for _, n := range []string{secret.note, secret.others} {
			if n != "" {
				d.note("token", "%s", n)
			}
		}
	}
	var client *remote.Client
	if s.server != "" {
		if client, err = remote.New(r.remote(s, secret, func(text string) { d.note("service", "%s", text) })); err != nil {
			d.bad("service", err)
		}
	}
	d.surroundings(c.String("root"))
	inv, err := r.examineTree(c, d)
	if err != nil {
		d.bad("root", err)
	}
	ready := d.bads == 0 // apart from the connection to the service
	if client != nil && d.examine(c.Context, client) && ready {
		v, err := client.Try(c.Context, cyclonedx.Scan{Inventory: inv, Options: s.options, Files: s.files, Client: r.client()})
		if err != nil {
			d.code = 0
			d.bad("verdict", err)
		} else {
			d.verdict(v, exitCode(v, s.continueOnFailure))
		}
	}
	r.code = d.code
	warned := ""
	if s.onErrorWarn && r.code == codeUnable {
		r.code, warned = codePass, ", which --on-error warn turns into 0"
	}
	if d.bads == 0 {
		fmt.Fprintf(d.w, "assay doctor: no problem found; a scan ends with exit code %d\n", d.code)
	} else {
		fmt.Fprintf(d.w, "assay doctor: %d of %d checks failed; a scan ends with exit code %d%s\n", d.bads, d.seen, d.code, warned)
	}
	return nil
}

// examine checks the connection to the service. It reports whether a scan could use it.
func (d *diagnosis) examine(ctx context.Context, client *remote.Client) bool {
	passable := true
	client.Examine(ctx, func(check remote.Check) {
		switch {
		case check.Err != nil:
			d.bad(check.Name, check.Err)
			passable = passable && check.Name == "clock" // a wrong clock alone does not end a scan
		case check.Aside:
			d.note(check.Name, "%s", check.Text)
		default:
			d.ok(check.Name, "%s", check.Text)
		}
	})
	return passable
}

// verdict prints what the service would decide, and sets the exit code to that of a scan.
func (d *diagnosis) verdict(v verdict.Verdict, code int) {
	for _, o := range v.Ignored {
		d.note("ignored", "%s=%s: %s", o.Origin, o.Value, o.Reason)
	}
	for i, reason := range v.Decision.Reasons {
		switch {
		case v.Decision.Outcome == verdict.Untrusted:
			d.badWith(code, "verdict", reason.Text, cmp.Or(reason.Hint, "docs/exit-codes.md has the rule "+reason.Rule))
		case i == 0:
			d.ok("verdict", "%s: %s", v.Decision.Outcome, reason.Text)
		}
	}
	d.code = code
}

// surroundings prints the user, the builder, and the mounts in the tree at root that are
// not part of the image.
func (d *diagnosis) surroundings(root string) {
	d.note("user", "uid %d, gid %d", os.Getuid(), os.Getgid())
	text, kaniko, err := ownProcess()
	if err != nil {
		d.note("mounts", "unknown without /proc; kernel filesystems are left out by their names")
	} else {
		d.mounts(text, root)
	}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	d.note("builder", "%s", guessBuilder(kaniko, exists, text))
}

// ownProcess returns the text of mountinfo and whether kaniko runs this process. It asks
// the same package as the inventory, which does not believe the image's own /proc.
func ownProcess() (mountinfo string, kaniko bool, err error) {
	proc, err := process.Open()
	if err != nil {
		return "", false, err
	}
	defer proc.Close()
	kaniko = proc.Kaniko()
	mounts, err := proc.Mounts()
	if err != nil {
		return "", kaniko, err
	}
	defer mounts.Close()
	text, err := io.ReadAll(mounts)
	return string(text), kaniko, err
}

// mounts prints the mounts that are left out.
func (d *diagnosis) mounts(mountinfo, root string) {
	mounts, err := mount.Parse(strings.NewReader(mountinfo))
	if err != nil {
		d.note("mounts", "read only in part: %v", err)
	}
	out := mount.Outside(mounts, root)
	if len(out) == 0 {
		d.ok("mounts", "none are left out")
		return
	}
	const most = 12
	more := ""
	if n := len(out) - most; n > 0 {
		out, more = out[:most], fmt.Sprintf(" and %d more", n)
	}
	d.ok("mounts", "left out: /%s%s", strings.Join(out, " /"), more)
}

// guessBuilder names the program that runs this step: kaniko if it is an ancestor of this
// process, another one by the files and mounts that it leaves.
func guessBuilder(kaniko bool, exists func(string) bool, mountinfo string) string {
	switch {
	case kaniko:
		return "kaniko, whose executor runs this process"
	case strings.Contains(mountinfo, "/buildkit/"):
		return "BuildKit, by its mounts"
	case exists("/run/.containerenv"):
		return "podman or buildah, by /run/.containerenv"
	case exists("/.dockerenv"):
		return "docker, by /.dockerenv: its classic builder, or docker run"
	}
	return "unknown"
}

// examineTree makes the inventory and prints what it contains. The service decides whether
// that is enough.
func (r *run) examineTree(c *ucli.Context, d *diagnosis) (inventory.Inventory, error) {
	inv, err := r.inspect(c)
	if err != nil {
		return inv, err
	}
	if inv.System.Known() {
		d.ok("system", "%s, by /%s", cmp.Or(inv.System.PrettyName, inv.System.ID+" "+inv.System.VersionID), inv.System.Path)
	} else {
		d.note("system", "not recognised")
	}
	if len(inv.Packages) == 0 {
		d.note("packages", "none")
	} else {
		d.ok("packages", "%s", summarise(inv.Packages))
	}
	const most = 3
	for i, p := range inv.ScanErrors {
		if i == most {
			d.note("unread", "and %d more", len(inv.ScanErrors)-most)
			break
		}
		d.note("unread", "/%s cannot be read (%s): %s", p.Path, p.Kind, p.Err)
	}
	return inv, nil
}

// summarise counts packages by type and names one file that lists them.
func summarise(packages []inventory.Package) string {
	count, file := map[string]int{}, map[string]string{}
	for _, p := range packages {
		count[p.Type]++
		if file[p.Type] == "" && len(p.Evidence) > 0 {
			file[p.Type] = p.Evidence[0].Path
		}
	}
	var parts []string
	for _, typ := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s (/%s)", count[typ], typ, file[typ]))
	}
	return cmp.Or(strings.Join(parts, ", "), "none")
}
