package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/policy"
	"assay/service/scan"
)

// judgeFlags are what the owner of the service decides for all scans.
func judgeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "max-age", Usage: "do not trust data that was last updated this `TIME` ago; 0 for any", Value: 7 * 24 * time.Hour},
		&cli.StringSliceFlag{Name: "allow-env", Usage: "let a variable of the image weaken this `OPTION` (repeatable)"},
	}
}

func judge(c *cli.Context) (scan.Judge, error) {
	allow, err := policy.AllowOf(c.StringSlice("allow-env")...)
	if err != nil {
		return scan.Judge{}, hintf("name options of assay, without the dashes", "bad --allow-env: %w", err)
	}
	return scan.Judge{MaxAge: c.Duration("max-age"), Allow: allow}, nil
}
