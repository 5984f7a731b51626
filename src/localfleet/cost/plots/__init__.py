"""Plots as inline SVG, drawn by small code: no script, no font, no request, colours by the page's variables."""
