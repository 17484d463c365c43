package httpserver

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// lineEvery is how often a lineLimit lets a line through after the first ones.
const lineEvery = time.Minute

// A lineLimit bounds the log lines about something that clients can repeat as often
// as they like: for each key the first burst lines, then one a minute.
type lineLimit struct {
	burst int
	mu    sync.Mutex
	of    map[string]*lineCount
}

type lineCount struct {
	lines    *rate.Limiter
	unlogged int
}

// allow reports whether a line about the key may be logged now, and how many were
// left out since the line before.
func (l *lineLimit) allow(key string, now time.Time) (unlogged int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.of[key]
	if c == nil {
		if l.of == nil || len(l.of) >= maxLimiters {
			l.of = map[string]*lineCount{}
		}
		c = &lineCount{lines: rate.NewLimiter(rate.Every(lineEvery), l.burst)}
		l.of[key] = c
	}
	if !c.lines.AllowN(now, 1) {
		c.unlogged++
		return 0, false
	}
	unlogged, c.unlogged = c.unlogged, 0
	return unlogged, true
}
