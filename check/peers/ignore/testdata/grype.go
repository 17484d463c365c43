// Grype does with the library of Grype what the program would do with a database. The
// program check/peers/ignore builds it in a module of its own.
//
//	grype packages ROOT            prints the packages that Grype finds in a root
//	grype ignored CONFIG FINDINGS  prints the indexes of the findings that the rules of a
//	                               configuration ignore
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/anchore/fangs"
	"github.com/anchore/grype/grype/match"
	"github.com/anchore/grype/grype/pkg"
	"github.com/anchore/grype/grype/vulnerability"
	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/cataloging"
	"github.com/anchore/syft/syft/file"
	syftpkg "github.com/anchore/syft/syft/pkg"
	"github.com/spf13/cobra"
	_ "modernc.org/sqlite" // rpm databases
)

// A thing is a package as Grype names it.
type thing struct {
	Name, Version, Type, Language, PURL string
	Locations, Upstreams                []string
}

// A finding is a match as Grype would have found it.
type finding struct {
	ID       string
	Aliases  []string
	FixState string
	Package  thing
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "grype:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var out any
	var err error
	switch {
	case len(args) == 2 && args[0] == "packages":
		out, err = packages(args[1])
	case len(args) == 3 && args[0] == "ignored":
		out, err = ignored(args[1], args[2])
	default:
		return fmt.Errorf("unknown arguments %q", args)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// packages returns the packages that Grype finds in an image with the content of a root.
func packages(root string) ([]thing, error) {
	options := syft.DefaultCreateSBOMConfig().WithCatalogerSelection(cataloging.NewSelectionRequest().WithDefaults("image"))
	found, _, _, err := pkg.Provide("dir:"+root, pkg.ProviderConfig{SyftProviderConfig: pkg.SyftProviderConfig{SBOMOptions: options}})
	if err != nil {
		return nil, err
	}
	all := []thing{}
	for _, p := range found {
		t := thing{Name: p.Name, Version: p.Version, Type: string(p.Type), Language: string(p.Language), PURL: p.PURL}
		for _, l := range p.Locations.ToSlice() {
			t.Locations = append(t.Locations, "/"+strings.TrimPrefix(l.RealPath, "/")) // as those of an image
		}
		for _, u := range p.Upstreams {
			t.Upstreams = append(t.Upstreams, u.Name)
		}
		all = append(all, t)
	}
	return all, nil
}

// ignored returns which findings the rules of a configuration ignore. The configuration is
// read as the program reads it.
func ignored(config, findings string) ([]int, error) {
	text, err := os.ReadFile(findings)
	if err != nil {
		return nil, err
	}
	var all []finding
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	var options struct {
		Ignore []match.IgnoreRule `mapstructure:"ignore"`
	}
	c := fangs.NewConfig("grype")
	c.Files = []string{config}
	if err := fangs.Load(c, &cobra.Command{}, &options); err != nil {
		return nil, err
	}
	matches := match.NewMatches()
	for i, f := range all {
		matches.Add(matchOf(strconv.Itoa(i), f))
	}
	_, dropped := match.ApplyIgnoreRules(matches, options.Ignore)
	out := []int{}
	for _, m := range dropped {
		i, err := strconv.Atoi(string(m.Package.ID))
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func matchOf(id string, f finding) match.Match {
	v := vulnerability.Vulnerability{Reference: vulnerability.Reference{ID: f.ID, Namespace: "github:language:" + f.Package.Language}}
	v.Fix.State = vulnerability.FixState(f.FixState)
	for _, a := range f.Aliases {
		v.RelatedVulnerabilities = append(v.RelatedVulnerabilities, vulnerability.Reference{ID: a, Namespace: "nvd:cpe"})
	}
	p := pkg.Package{ID: pkg.ID(id), Name: f.Package.Name, Version: f.Package.Version, PURL: f.Package.PURL,
		Type: syftpkg.Type(f.Package.Type), Language: syftpkg.Language(f.Package.Language)}
	var locations []file.Location
	for _, l := range f.Package.Locations {
		locations = append(locations, file.NewLocation(l))
	}
	p.Locations = file.NewLocationSet(locations...)
	for _, u := range f.Package.Upstreams {
		p.Upstreams = append(p.Upstreams, pkg.UpstreamPackage{Name: u})
	}
	return match.Match{Vulnerability: v, Package: p, Details: match.Details{{Type: match.ExactDirectMatch}}}
}
