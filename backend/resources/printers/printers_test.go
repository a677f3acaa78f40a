package printers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSince(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := func() time.Time { return at }
	f := func(when metav1.Time, want string) {
		t.Helper()
		if got := Since(when, now); got != want {
			t.Errorf("Since(%v) = %q, want %q", when, got, want)
		}
	}
	f(metav1.Time{}, "<unknown>")
	f(metav1.NewTime(at.Add(-5*time.Minute-3*time.Second)), "5m3s")
	f(metav1.NewTime(at.Add(-12*24*time.Hour)), "12d")
	f(metav1.NewTime(at.Add(time.Hour)), "<invalid>")
}
