package main

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/match"
	"assay/service/policy"
	"assay/service/scan"
	"assay/verdict/hint"
)

// evaluatorFlags are the flags by which the owner of the service decides for all scans.
func evaluatorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "max-age", Usage: "do not trust data that was last updated more than this `TIME` ago; 0 for any age", Value: 7 * 24 * time.Hour},
		&cli.StringSliceFlag{Name: "without", Usage: "accept that the service has no advisories for `ECOSYSTEM`, such as npm (repeatable)"},
		&cli.StringSliceFlag{Name: "allow-env", Usage: "let environment variables of the image weaken this `OPTION` (repeatable)"},
	}
}

func evaluator(c *cli.Context) (scan.Evaluator, error) {
	allow, err := policy.AllowOf(c.StringSlice("allow-env")...)
	if err != nil {
		return scan.Evaluator{}, hint.Errorf("name options of assay, without the dashes", "invalid --allow-env: %w", err)
	}
	without, err := without(c.StringSlice("without"))
	if err != nil {
		return scan.Evaluator{}, err
	}
	return scan.Evaluator{MaxAge: c.Duration("max-age"), Allow: allow, Without: without}, nil
}

// without returns the ecosystems of names, sorted.
func without(names []string) ([]string, error) {
	var ecosystems []string
	for _, name := range names {
		e, ok := match.LanguageEcosystem(name)
		if !ok {
			return nil, hint.Errorf("use the ecosystem of a language, such as npm, PyPI or Maven; operating systems cannot be named",
				"invalid --without %q", name)
		}
		ecosystems = append(ecosystems, e)
	}
	slices.Sort(ecosystems)
	return slices.Compact(ecosystems), nil
}
