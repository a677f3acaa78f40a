package messages

import "errors"

// problem is an error for a user, which can be said in their language.
type problem struct {
	text Text
	args []any
}

// Errorf is an error for a user. Error gives it in English, for logs; the
// method Error of a Language in that one.
func Errorf(text Text, args ...any) error { return &problem{text, args} }

func (p *problem) Error() string { return english.T(p.text, p.args...) }

// Unwrap gives what the error is about.
func (p *problem) Unwrap() error {
	for _, a := range p.args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}

// Problem gives an error of Errorf in a language; ok is false for any other.
func (l *Language) Problem(err error) (text string, ok bool) {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return "", false
	}
	return l.T(p.text, p.args...), true
}

// Error gives an error in a language. Those that are none of Errorf, such as the
// API's own, are as they are.
func (l *Language) Error(err error) string {
	if p, ok := errors.AsType[*problem](err); ok && err == error(p) {
		return l.T(p.text, p.args...)
	}
	return err.Error()
}
