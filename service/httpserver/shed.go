package httpserver

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A spread decides when refused clients should try again: at different times, and
// later the more of them there are. It counts how many requests were refused and how
// many were served in the last seconds.
type spread struct {
	now    func() time.Time
	random func() float64 // 0 to 1
	mu     sync.Mutex
	began  time.Time // of the current span
	// In the current span and the one before.
	shed, served [2]float64
}

const (
	spreadSpan = 5 * time.Second
	spreadMin  = 2 * time.Second
	spreadMax  = time.Minute
	spreadRate = 10. // requests a second, which any machine can serve
)

func newSpread(now func() time.Time) *spread {
	return &spread{now: now, random: rand.Float64}
}

// turn begins a new span if the current one is over; mu is held.
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

// done counts a request that was served.
func (s *spread) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	s.served[0]++
}

// after counts a request that is refused while others wait, and returns after what
// time it should be tried again.
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

// Busy refuses a request while others wait, and says when to try again.
func (s *Server) Busy(waiting int) Problem {
	s.shed(ShedBusy)
	return Problem{Status: http.StatusServiceUnavailable, What: "the service has too much to do", Hint: "assay waits and tries again by itself",
		RetryAfter: s.spread.after(waiting)}
}

// Unavailable refuses a request that cannot be answered now.
func (s *Server) Unavailable(what, hint string) Problem {
	s.shed(ShedUnavailable)
	return Problem{Status: http.StatusServiceUnavailable, What: what, Hint: hint, RetryAfter: s.spread.after(0)}
}

func (s *Server) shed(reason string) {
	if s.Shed != nil {
		s.Shed(reason)
	}
}

// Served counts an answer that took a slot. The rate of such answers decides when
// refused clients are told to try again.
func (s *Server) Served() { s.spread.done() }
