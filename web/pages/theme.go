package pages

import (
	"context"
	"strings"

	"pilothouse/backend/request"
	"pilothouse/web/messages"
)

// ThemeCookie says how pages look; the server reads it, so that nothing flashes.
// It is the browser's and not the user's: also the login has a theme.
const ThemeCookie = "pilothouse-theme"

const yearSeconds = "31536000"

// setTheme remembers how pages are to look: the theme in the browser, the height
// of rows and the language with the user.
func setTheme(_ context.Context, c *Call) (*Answer, error) {
	a := &Answer{Redirect: safeNext(c.Form.Get("next"))}
	switch t := c.Form.Get("theme"); t {
	case "auto", "dark", "light", "contrast":
		a.Headers = append(a.Headers, lookCookie(ThemeCookie, t))
	}
	switch d := c.Form.Get("density"); d {
	case "compact", "comfortable":
		if err := c.Prefs.SetCompact(c.Session.User.Name, d == "compact"); err != nil {
			return nil, err
		}
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
