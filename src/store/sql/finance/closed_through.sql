SELECT closed_through() AS day
