package podspec

import (
	"fmt"
	"strings"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The limits of resolvers in Linux.
const (
	maxNameservers   = 3
	maxSearchPaths   = 32
	maxSearchLetters = 2048
)

func validateDNSConfig(s *v1.PodSpec, path *field.Path) field.ErrorList {
	c := s.DNSConfig
	if s.DNSPolicy == v1.DNSNone {
		if c == nil {
			return field.ErrorList{field.Required(path, fmt.Sprintf("must provide `dnsConfig` when `dnsPolicy` is %s", v1.DNSNone))}
		}
		if len(c.Nameservers) == 0 {
			return field.ErrorList{field.Required(path.Child("nameservers"), fmt.Sprintf("must provide at least one DNS nameserver when `dnsPolicy` is %s", v1.DNSNone))}
		}
	}
	if c == nil {
		return nil
	}
	var errs field.ErrorList
	if len(c.Nameservers) > maxNameservers {
		errs = append(errs, field.Invalid(path.Child("nameservers"), c.Nameservers, fmt.Sprintf("must not have more than %v nameservers", maxNameservers)))
	}
	for i, ip := range c.Nameservers {
		errs = append(errs, validate.IP(path.Child("nameservers").Index(i), ip)...)
	}
	searches := path.Child("searches")
	if len(c.Searches) > maxSearchPaths {
		errs = append(errs, field.Invalid(searches, c.Searches, fmt.Sprintf("must not have more than %v search paths", maxSearchPaths)))
	}
	if len(strings.Join(c.Searches, " ")) > maxSearchLetters {
		errs = append(errs, field.Invalid(searches, c.Searches, fmt.Sprintf("must not have more than %v characters (including spaces) in the search list", maxSearchLetters)))
	}
	for i, search := range c.Searches {
		if search == "." {
			continue
		}
		search = strings.TrimSuffix(search, ".")
		errs = append(errs, validate.Messages(searches.Index(i), search, validation.IsDNS1123SubdomainWithUnderscore(search))...)
	}
	for i, option := range c.Options {
		if option.Name == "" {
			errs = append(errs, field.Required(path.Child("options").Index(i), "must not be empty"))
		}
	}
	return errs
}

func validateHostAliases(aliases []v1.HostAlias, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, alias := range aliases {
		errs = append(errs, validate.IP(path.Index(i).Child("ip"), alias.IP)...)
		for j, name := range alias.Hostnames {
			errs = append(errs, validate.DNSSubdomain(name, path.Index(i).Child("hostnames").Index(j))...)
		}
	}
	return errs
}
