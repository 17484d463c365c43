package api

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A spread says when those that are turned away should come back: at different
// times, and the later the more of them there are. It knows how many were turned
// away and how many were served in the last seconds.
type spread struct {
	now    func() time.Time
	random func() float64 // 0 to 1
	mu     sync.Mutex
	began  time.Time // of the current span
	// Of this span and the one before.
	shed, served [2]float64
}

const (
	spreadSpan = 5 * time.Second
	spreadMin  = 2 * time.Second
	spreadMax  = time.Minute
	spreadRate = 10. // a second, which any service comes to
)

func newSpread(now func() time.Time) *spread {
	return &spread{now: now, random: rand.Float64}
}

// turn begins a new span where the last is over; mu is held.
func (s *spread) turn() {
	now := s.now()
	switch past := now.Sub(s.began); {
	case past >= 2*spreadSpan:
		s.shed, s.served = [2]float64{}, [2]float64{}
	case past >= spreadSpan:
		s.shed, s.served = [2]float64{0, s.shed[0]}, [2]float64{0, s.served[0]}
	default:
		return
	}
	s.began = now
}

// done notes a request that was served.
func (s *spread) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	s.served[0]++
}

// after notes a request that is turned away while others wait, and returns when it
// should come back.
func (s *spread) after(waiting int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	s.shed[0]++
	perSecond := max(spreadRate, (s.served[0]+s.served[1])/(2*spreadSpan.Seconds()))
	behind := float64(waiting) + s.shed[0] + s.shed[1]
	over := time.Duration(2 * behind / perSecond * float64(time.Second))
	over = min(max(over, spreadMin), spreadMax)
	return time.Second + time.Duration(s.random()*float64(over))
}

// busy is the answer to a request that is turned away.
func (a *api) busy(w http.ResponseWriter, waiting int) error {
	w.Header().Set("Retry-After", retryAfter(a.spread.after(waiting)))
	return problem{http.StatusServiceUnavailable, "the service has too much to do", "assay waits and tries again by itself"}
}

// retryAfter is a time as the header has it, in whole seconds.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
