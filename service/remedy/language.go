package remedy

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"assay/service/distro"
	"assay/verdict"
)

// languages returns the remedies for packages of languages. Those of the base image come last.
func (w *work) languages() []verdict.Remedy {
	var all, base []verdict.Remedy
	var brought []*item
	for _, typ := range w.types {
		if distro.SystemPackage(typ) {
			continue
		}
		var own, rest []*item
		for _, it := range w.packages[typ] {
			if it.origin == verdict.OriginBase {
				rest = append(rest, it)
			} else {
				own = append(own, it)
			}
		}
		if len(own) > 0 {
			all = append(all, w.language(typ, own)...)
		}
		if len(rest) > 0 {
			inImage, others := w.inBase(typ, rest)
			base, brought = append(base, inImage...), append(brought, others...)
		}
	}
	if len(brought) > 0 {
		base = append(base, verdict.Remedy{
			Action: verdict.ActionBase, Packages: names(brought), Findings: count(brought), Base: count(brought),
			Text: "the base image brings " + listed(brought, versioned) + at(brought) + ": use a newer one (FROM) if it has the fixes, or remove what brings it",
		})
	}
	byFindings := func(a, b verdict.Remedy) int { return cmp.Compare(b.Findings, a.Findings) }
	slices.SortStableFunc(all, byFindings)
	slices.SortStableFunc(base, byFindings)
	return append(all, base...)
}

// inBase returns the remedies for packages of the base image that a step of the Dockerfile can
// upgrade, and the other packages: no project of the build brings those.
func (w *work) inBase(typ string, items []*item) (remedies []verdict.Remedy, others []*item) {
	brought := map[string]bool{}
	for _, r := range w.language(typ, items) {
		if !strings.HasPrefix(r.Command, "RUN ") {
			for _, name := range r.Packages {
				brought[name] = true
			}
			continue
		}
		r.Base, r.Text = r.Findings, "from the base image: use a newer one (FROM) if it has the fixes, or "+r.Text
		remedies = append(remedies, r)
	}
	for _, it := range items {
		if brought[it.name()] {
			others = append(others, it)
		}
	}
	return remedies, others
}

// at names the files that items are in, after a space, or is empty if they are unknown.
func at(items []*item) string {
	var paths []string
	for _, it := range items {
		for _, p := range it.pkg.Paths {
			if p = "/" + verdict.Short(p); !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	if len(paths) == 0 {
		return ""
	}
	return " in " + some(paths)
}

// language returns the remedies for packages of a language.
func (w *work) language(typ string, items []*item) []verdict.Remedy {
	switch typ {
	case "npm":
		return w.node(items)
	case "pypi":
		return w.python(items)
	case "gem":
		return w.ruby(items)
	case "golang", "cargo":
		return programs(typ, items)
	case "composer":
		return projectsOfComposer(items)
	case "nuget":
		return projects("dotnet", items, "", dotnet)
	case "maven":
		return jars(items)
	case "wordpress":
		return wordPress(items)
	}
	return []verdict.Remedy{byHand("", items, "upgrade "+listed(items, target))}
}

// byHand returns a remedy for which there is no command.
func byHand(manager string, items []*item, text string) verdict.Remedy {
	return verdict.Remedy{Action: verdict.ActionUpgrade, Manager: manager, Packages: names(items), Findings: count(items), Text: text}
}

// A place is where several items are, such as a project.
type place struct {
	path  string
	items []*item
}

// places groups items by a part of their paths. An item in several places belongs to each.
// A place for which of returns nothing has the items without a known place.
func places(items []*item, of func(path string) string) []*place {
	var all []*place
	for _, it := range items {
		paths := it.pkg.Paths
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, p := range paths {
			at := of(p)
			i := slices.IndexFunc(all, func(o *place) bool { return o.path == at })
			if i < 0 {
				i = len(all)
				all = append(all, &place{path: at})
			}
			if !slices.Contains(all[i].items, it) {
				all[i].items = append(all[i].items, it)
			}
		}
	}
	return all
}

// arguments returns a safe argument for each package of items, with the newest of its
// fixes. ok is false if one is not safe.
func arguments(items []*item, argument func(name, fixed string) string) (all []string, ok bool) {
	var order []string
	fixed := map[string]string{}
	for _, it := range items {
		name := it.pkg.Name
		if fixed[name] == "" {
			order = append(order, name)
		}
		if fixed[name] == "" || newer(it.pkg.Type, it.fixed, fixed[name]) {
			fixed[name] = it.fixed
		}
	}
	for _, name := range order {
		if !safeAll(name, fixed[name]) {
			return nil, false
		}
		all = append(all, argument(name, fixed[name]))
	}
	return all, true
}

func equals(name, fixed string) string { return name + "==" + fixed }
func nameOnly(name, _ string) string   { return name }

// programs returns the remedies for modules that are compiled into programs. Programs with
// the same modules have one remedy.
func programs(typ string, items []*item) []verdict.Remedy {
	var all []verdict.Remedy
	same := map[string]int{} // what is to do, and its place in all
	paths := map[string][]string{}
	for _, at := range places(items, func(p string) string { return p }) {
		command, with := toolchain(typ, at.items)
		key := command + "\n" + with
		paths[key] = append(paths[key], "/"+verdict.Short(at.path))
		i, ok := same[key]
		if !ok {
			i = len(all)
			same[key] = i
			all = append(all, byHand("", nil, ""))
		}
		r := &all[i]
		r.Findings += count(at.items)
		for _, n := range names(at.items) {
			if !slices.Contains(r.Packages, n) {
				r.Packages = append(r.Packages, n)
			}
		}
		what := "the program"
		if at.path != "" {
			what = some(paths[key])
		}
		r.Manager = typ
		if typ == "golang" {
			r.Manager = "go"
		}
		r.Command, r.Text = command, "rebuild "+what+with+", or take a newer release"
	}
	return all
}

// toolchain returns the command that upgrades the modules of a program, and what else the
// program is to be built with.
func toolchain(typ string, items []*item) (command, with string) {
	var modules []*item
	for _, it := range items {
		if typ == "golang" && it.pkg.Name == "stdlib" {
			with = " with Go " + verdict.Short(it.fixed) + " or later"
		} else {
			modules = append(modules, it)
		}
	}
	if len(modules) == 0 {
		return "", with
	}
	args, ok := arguments(modules, atModule)
	if typ == "golang" && ok {
		return "go get " + strings.Join(args, " ") + " && go mod tidy", with
	}
	if typ == "golang" || !ok {
		return "", " with " + listed(modules, target)
	}
	near, far := byRange(modules)
	var steps []string
	for _, it := range near {
		if !safe(it.pkg.Version) {
			return "", " with " + listed(modules, target)
		}
		steps = append(steps, "cargo update "+it.pkg.Name+"@"+it.pkg.Version+" --precise "+it.fixed)
	}
	if len(far) > 0 {
		with = " with " + listed(far, target) + " in Cargo.toml, or with a newer release of what requires it (cargo tree -i)"
	}
	return strings.Join(steps, " && "), with
}

// byRange divides items into those whose fix is in the range that npm, Composer and Cargo
// write for the installed version, ^1.2.3, and the others. A command that upgrades within
// the ranges of a project does not reach the fix of the others.
func byRange(items []*item) (near, far []*item) {
	for _, it := range items {
		if inCaret(it.pkg.Version, it.fixed) {
			near = append(near, it)
		} else {
			far = append(far, it)
		}
	}
	return near, far
}

// inCaret reports whether a newer version is in the range ^version: up to the first number
// that is not 0, both are equal. What is not a version is in no range.
func inCaret(version, newer string) bool {
	have, newest := release(version), release(newer)
	if have == nil || newest == nil {
		return false
	}
	for i, n := range have {
		if newest[i] != n {
			return false
		}
		if n != 0 {
			return true
		}
	}
	return true
}

// release returns the three numbers at the beginning of a version, or nil.
func release(version string) []int {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "+")
	version, _, _ = strings.Cut(version, "-")
	parts := strings.SplitN(version, ".", 4)
	numbers := make([]int, 3)
	for i := range min(len(parts), 3) {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return nil
		}
		numbers[i] = n
	}
	return numbers
}

// atModule is an argument of go get. Versions of advisories have no "v".
func atModule(name, fixed string) string { return name + "@v" + strings.TrimPrefix(fixed, "v") }

// projects returns the remedies for packages of projects, which are found by the part of
// their paths before the folder in.
func projects(manager string, items []*item, in string, command func([]*item) (string, bool)) []verdict.Remedy {
	var all []verdict.Remedy
	for _, at := range places(items, func(p string) string { return project(p, in) }) {
		where := "in the project of " + verdict.Short("/"+at.path)
		if at.path == "" {
			where = "in its project"
		}
		near, far := at.items, []*item(nil)
		if manager == "composer" {
			near, far = byRange(at.items)
		}
		if len(near) > 0 {
			r := byHand(manager, near, where)
			var ok bool
			if r.Command, ok = command(near); !ok {
				r.Text += ": upgrade " + listed(near, target)
			}
			all = append(all, r)
		}
		if len(far) > 0 {
			all = append(all, byHand(manager, far, where+beyond(far, "composer.json", "composer why")))
		}
	}
	return all
}

// beyond says what to do about fixes that are not in the ranges of a project.
func beyond(items []*item, file, why string) string {
	return ": raise " + listed(items, target) + " in " + file + ", or upgrade what requires it (" + why + " NAME)"
}

// project returns the path of a project: what is before the folder in, or the whole path.
func project(p, in string) string {
	if in == "" {
		return p
	}
	before, _, found := strings.Cut("/"+p, in)
	if !found {
		return path.Dir(p)
	}
	return strings.TrimPrefix(before, "/")
}

func composer(items []*item) (string, bool) {
	args, ok := arguments(items, nameOnly)
	if !ok {
		return "", false
	}
	return "composer update " + strings.Join(args, " ") + " --with-all-dependencies", true
}

func dotnet(items []*item) (string, bool) {
	args, ok := arguments(items, func(name, fixed string) string { return "dotnet add package " + name + " --version " + fixed })
	return strings.Join(args, " && "), ok
}

// jars returns the remedies for Java libraries: no command changes them in an archive.
func jars(items []*item) []verdict.Remedy {
	var all []verdict.Remedy
	for _, at := range places(items, func(p string) string { return p }) {
		text := "upgrade " + listed(at.items, target)
		switch own := len(at.items) == 1 && at.items[0].alone(); {
		case at.path == "":
		case own:
			text += ", /" + verdict.Short(at.path)
		default:
			text = "/" + verdict.Short(at.path) + " brings " + listed(at.items, versioned) + ": rebuild it with " +
				listed(at.items, target) + ", or take a newer release of it"
		}
		all = append(all, byHand("", at.items, text))
	}
	return all
}

// alone reports whether the file of a jar is named after the package, so that it is not one
// of several in it.
func (it *item) alone() bool {
	_, artifact, _ := strings.Cut(it.pkg.Name, ":")
	base := ""
	if len(it.pkg.Paths) > 0 {
		base = path.Base(it.pkg.Paths[0])
	}
	return base == artifact+"-"+it.pkg.Version+".jar" || base == artifact+".jar"
}
