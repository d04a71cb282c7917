"""The page of the one-time link: the first person makes themselves the owner."""

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apikeys.models import Workspace
from apikeys.setup import LinkIsSpent, create_owner, is_open
from apikeys.throttling import page_limit


class OwnerForm(forms.Form):
    email = forms.EmailField(max_length=150, label="Your e-mail", help_text="You sign in with it.")
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False)
    workspace = forms.CharField(
        max_length=80, label="Workspace", help_text="The name of your company or team. What you send lives in it."
    )

    def clean_workspace(self):
        name = self.cleaned_data["workspace"]
        if Workspace.objects.filter(name=name, livemode=False).exists():
            raise forms.ValidationError("There is a test workspace of this name. Choose another.")
        return name

    def clean(self):
        data = super().clean()
        email = data.get("email", "").lower()
        if email and get_user_model().objects.filter(username=email).exists():
            self.add_error("email", "Somebody has this address already.")
        if data.get("password"):
            try:
                validate_password(data["password"], get_user_model()(username=email, email=email))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return {**data, "email": email}


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@page_limit(group="setup", per_minute=30)
def setup_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the form and makes nothing; POST makes the owner, signs them in and uses the link up."""
    if not is_open(token):
        return _page(request, {"message": LinkIsSpent.message}, status=410)
    form = OwnerForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, {"form": form}, status=400 if form.errors else 200)
    data = form.cleaned_data
    try:
        owner = create_owner(
            token=token,
            username=data["email"],
            email=data["email"],
            password=data["password"],
            workspace=data["workspace"],
        )
    except LinkIsSpent as spent:
        return _page(request, {"message": spent.message}, status=410)
    login(request, owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    return HttpResponseRedirect("/admin/")


def _page(request: HttpRequest, context: dict, *, status: int) -> HttpResponse:
    response = render(request, "setup.html", context, status=status)
    # The address is a secret and must not leave with a click. (Not "no-referrer": the form's Origin would be "null".)
    response["Referrer-Policy"] = "same-origin"
    response["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    )
    return response
