package pages

import (
	"context"
	"strings"

	"pilothouse/backend/request"
	"pilothouse/web/messages"
)

// Cookies that say how pages look; the server reads them, so that nothing
// flashes.
const (
	ThemeCookie   = "pilothouse-theme"
	DensityCookie = "pilothouse-density"
)

const yearSeconds = "31536000"

// setTheme remembers how pages are to look, and their language.
func setTheme(_ context.Context, c *Call) (*Answer, error) {
	a := &Answer{Redirect: safeNext(c.Form.Get("next"))}
	switch t := c.Form.Get("theme"); t {
	case "auto", "dark", "light", "contrast":
		a.Headers = append(a.Headers, lookCookie(ThemeCookie, t))
	}
	switch d := c.Form.Get("density"); d {
	case "compact", "comfortable":
		a.Headers = append(a.Headers, lookCookie(DensityCookie, d))
	}
	if l := c.Form.Get("language"); l == "auto" || messages.Find(l) != nil {
		if err := c.Prefs.SetLanguage(c.Session.User.Name, strings.TrimPrefix(l, "auto")); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func lookCookie(name, value string) request.HeaderLine {
	return request.HeaderLine{Name: "Set-Cookie", Value: name + "=" + value + "; Path=/; Max-Age=" + yearSeconds + "; SameSite=Strict"}
}
