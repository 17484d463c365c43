package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// A lifetime is a flag for a duration, which may have days of 24 hours: "30d", "1d12h".
type lifetime time.Duration

// maxDays bounds both the days and the rest, so that their sum fits a time.Duration.
const maxDays = 36_500

func lifetimeOf(d time.Duration) *lifetime { return (*lifetime)(&d) }

// lifetimeIn returns the value of a flag.
func lifetimeIn(c *cli.Context, name string) time.Duration {
	return time.Duration(*c.Generic(name).(*lifetime))
}

var errNotLifetime = errors.New("not a duration such as 30d, 12h or 90m")

// Set implements cli.Generic.
func (l *lifetime) Set(s string) error {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > maxDays {
		return errNotLifetime
	}
	var more time.Duration
	if rest != "" || !found {
		if more, err = time.ParseDuration(rest); err != nil || more < 0 || more > maxDays*24*time.Hour {
			return errNotLifetime
		}
	}
	*l = lifetime(time.Duration(n)*24*time.Hour + more)
	return nil
}

// String implements cli.Generic.
func (l *lifetime) String() string {
	d := time.Duration(*l)
	if d == 0 {
		return ""
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}
