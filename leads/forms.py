"""The admin's forms: the same rules as every other door."""

from django import forms
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from leads.models import Import, Lead, Suppression
from leads.rows import LEAD_FIELDS, RowRefused, read_row
from leads.suppression import read_value


class LeadForm(forms.ModelForm):
    class Meta:
        model = Lead
        fields = ["workspace", *LEAD_FIELDS]

    def clean(self):
        """Held to the rules of every other door: what a row may be is said in leads/rows.py."""
        data = super().clean()
        try:
            self.row = read_row(self._given(data), email_required=self.instance._state.adding)
        except RowRefused as refused:
            for name, sentences in refused.details.items():
                self.add_error(name if name in self.fields else None, sentences)
        workspace = data.get("workspace") or self.instance.__dict__.get("workspace_id")
        others = Lead.objects.filter(workspace=workspace, email=str(data.get("email", "")).strip().lower())
        if workspace and others.exclude(pk=self.instance.pk).exists():
            self.add_error("email", "Another lead has this address.")
        return data

    def _given(self, data: dict) -> dict:
        """A new lead: what is filled in. A change: what differs; a key of custom that was taken out is sent as null."""
        if self.instance._state.adding:
            return {name: data[name] for name in LEAD_FIELDS if data.get(name) not in (None, "")}
        given = {name: data[name] for name in self.changed_data if name in LEAD_FIELDS and name in data}
        if "custom" in given:
            given["custom"] = {**dict.fromkeys(self.instance.custom), **(given["custom"] or {})}
        return given


class SuppressionForm(forms.ModelForm):
    class Meta:
        model = Suppression
        fields = ["workspace", "value", "kind", "reason"]
        help_texts = {"value": "An address, or a whole domain as @acme.com."}

    def clean_value(self):
        try:
            return read_value(self.cleaned_data["value"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


class ImportForm(forms.ModelForm):
    file = forms.FileField(help_text="CSV or XLSX, 10 MB at most.", widget=UnfoldAdminFileFieldWidget)
    on_duplicate = forms.ChoiceField(
        choices=[("update", "update the lead"), ("skip", "leave the lead as it is")], widget=UnfoldAdminSelectWidget
    )
    groups = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        required=False,
        help_text="Names of groups, separated by commas. New ones are made.",
    )

    class Meta:
        model = Import
        fields = ["workspace"]

    def clean_groups(self):
        return [name.strip() for name in self.cleaned_data["groups"].split(",") if name.strip()]
