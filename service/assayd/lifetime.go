package main

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/lifetime"
	"assay/service/tokens"
)

func lifetimeOf(d time.Duration) *lifetime.Duration { return (*lifetime.Duration)(&d) }

// lifetimeIn returns the value of a flag.
func lifetimeIn(c *cli.Context, name string) time.Duration {
	return time.Duration(*c.Generic(name).(*lifetime.Duration))
}

// An expiry is a flag for the lifetime of a token.
type expiry struct{ lifetime.Duration }

func (e *expiry) Set(s string) error {
	switch {
	case s == "never":
		e.Duration = lifetime.Duration(tokens.Never)
		return nil
	case e.Duration.Set(s) != nil:
		return errors.New("not a duration such as 90d or 12h, or never")
	case e.Duration == 0:
		return errors.New("the token would never be valid")
	}
	return nil
}
